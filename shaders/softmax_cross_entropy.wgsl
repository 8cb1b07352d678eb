struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
/// [m], below n, or NO_LABEL for a row that is not in use
@group(0) @binding(2) var<storage, read> labels: array<u32>;
/// [4]
@group(0) @binding(3) var<storage, read> counters: array<u32>;
/// [m], zero in rows not in use
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
/// [m, n], of the mean loss over the rows in use
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;

// One invocation a row. A row that holds NaN or infinity gives NaN, which `max` and comparisons would lose.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = linear_index(group, groups, local);
    if (row >= params.m) {
        return;
    }
    let start = row * params.n;
    let label = labels[row];
    var largest = logits[start];
    var broken = is_not_finite(largest);
    for (var j = 1u; j < params.n; j++) {
        let z = logits[start + j];
        largest = max(largest, z);
        broken = broken || is_not_finite(z);
    }
    var sum = 0.0;
    for (var j = 0u; j < params.n; j++) {
        sum += exp(logits[start + j] - largest);
    }
    let used = label < params.n;
    let scale = 1.0 / f32(counters[ROWS]);
    // NaN as a value that the compiler cannot fold: n is never zero.
    let nan = bitcast<f32>(select(0u, 0x7fc00000u, params.n > 0u));
    for (var j = 0u; j < params.n; j++) {
        let p = exp(logits[start + j] - largest) / sum;
        let g = (p - select(0.0, 1.0, j == label)) * scale;
        gradient[start + j] = select(0.0, select(g, nan, broken), used);
    }
    var loss = 0.0;
    if (used) {
        loss = select(log(sum) - (logits[start + label] - largest), nan, broken);
    }
    losses[row] = loss;
}
