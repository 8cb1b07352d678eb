// Elements of `counters`: the step, and the rows of the data set it uses.
const STEP = 0u;     // steps started
const EPOCH = 1u;    // complete passes over the data before this step
const POSITION = 2u; // start of this step's batch in the epoch's order
const ROWS = 3u;     // valid rows of the batch; fewer than its size at the end of an epoch

// The label of an invalid row.
const NO_LABEL = 0xffffffffu;

