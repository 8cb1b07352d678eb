struct Params { m: u32, n: u32, delta: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
/// [m], below n, or IGNORE_INDEX for an invalid row
@group(0) @binding(2) var<storage, read> labels: array<u32>;
/// [4]
@group(0) @binding(3) var<storage, read> counters: array<u32>;
/// [m], zero in invalid rows
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
/// [m, n], of the mean loss over the valid rows
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;

// Target of output j for this label.
fn wanted(label: u32, j: u32) -> f32 {
    return select(0.0, 1.0, j == label);
}

// The output compared with the target.
fn output(z: f32, largest: f32, sum: f32) -> f32 {
    if (SOFTMAX) {
        return exp(z - largest) / sum;
    }
    return z;
}

// One invocation per row. Non-finite logits yield NaN explicitly: `max` and comparisons would lose it.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = linear_index(group, groups, local.x);
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
    if (SOFTMAX) {
        for (var j = 0u; j < params.n; j++) {
            sum += exp(logits[start + j] - largest);
        }
    }
    var loss = 0.0;
    var mean_slope = 0.0; // probability-weighted, subtracted by the softmax gradient
    for (var j = 0u; j < params.n; j++) {
        let x = output(logits[start + j], largest, sum);
        let y = wanted(label, j);
        loss += term(x, y);
        mean_slope += x * slope(x, y);
    }
    let used = label < params.n;
    let scale = 1.0 / (f32(params.n) * f32(counters[ROWS]));
    // NaN the compiler cannot fold: n is never zero.
    let nan = bitcast<f32>(select(0u, 0x7fc00000u, params.n > 0u));
    for (var j = 0u; j < params.n; j++) {
        let x = output(logits[start + j], largest, sum);
        var g = slope(x, wanted(label, j));
        if (SOFTMAX) {
            g = x * (g - mean_slope);
        }
        gradient[start + j] = select(0.0, select(g * scale, nan, broken), used);
    }
    losses[row] = select(0.0, select(loss / f32(params.n), nan, broken), used);
}
