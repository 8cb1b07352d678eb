struct Params { index: u32, count: u32, rows: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [4], of the whole batch
@group(0) @binding(1) var<storage, read> counters: array<u32>;
/// [4], of this micro-batch
@group(0) @binding(2) var<storage, read_write> micro_counters: array<u32>;

// Runs after the step's counters are set: one invocation.
@compute @workgroup_size(1)
fn main() {
    let before = params.index * params.rows;
    let left = counters[ROWS] - min(before, counters[ROWS]);
    micro_counters[STEP] = (counters[STEP] - 1u) * params.count + params.index + 1u;
    micro_counters[EPOCH] = counters[EPOCH];
    micro_counters[POSITION] = counters[POSITION] + before;
    micro_counters[ROWS] = min(left, params.rows);
}
