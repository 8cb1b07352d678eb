// Elements of `counters`: which step this is, and which rows of the data set it sees.
const STEP = 0u;     // steps begun since the start
const EPOCH = 1u;    // whole passes over the data before this step
const POSITION = 2u; // where in the epoch's order this step's batch begins
const ROWS = 3u;     // rows of the batch in use; fewer than its size at the end of an epoch

// The label of a row that is not in use.
const NO_LABEL = 0xffffffffu;

