
// Slope of leaky ReLU if it is not a parameter; other functions have none.
const SLOPE = 0.01;
