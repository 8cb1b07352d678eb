
// The slope of leaky ReLU, where no parameter gives one; the other functions have none.
const SLOPE = 0.01;
