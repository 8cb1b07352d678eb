struct Params { m: u32, n: u32, smoothing: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
/// [m], below n, or IGNORE_INDEX for an invalid row
@group(0) @binding(2) var<storage, read> labels: array<u32>;
/// [4]
@group(0) @binding(3) var<storage, read> counters: array<u32>;
/// [n], finite and non-negative
@group(0) @binding(4) var<storage, read> class_weights: array<f32>;
/// [m], zero in invalid rows; their mean over the valid rows is the weighted mean
@group(0) @binding(5) var<storage, read_write> losses: array<f32>;
/// [m, n], of that mean
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>;

var<workgroup> weight_sums: array<f32, WORKGROUP>;

// The total weight of the labels of all valid rows. Each workgroup computes it itself, in the same order.
fn sum_of_weights(local: u32) -> f32 {
    var weight_sum = 0.0;
    for (var row = local; row < params.m; row += WORKGROUP) {
        let label = labels[row];
        if (label < params.n) {
            weight_sum += class_weights[label];
        }
    }
    weight_sums[local] = weight_sum;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (local < half) {
            weight_sums[local] += weight_sums[local + half];
        }
    }
    workgroupBarrier();
    return weight_sums[0];
}

// Target probability of class j for this label.
fn wanted(label: u32, j: u32) -> f32 {
    let share = select(0.0, 1.0 - params.smoothing, j == label) + params.smoothing / f32(params.n);
    return class_weights[j] * share;
}

// One invocation per row. Non-finite logits yield NaN explicitly: `max` and comparisons would lose it.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let weight_sum = sum_of_weights(local);
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
    let log_sum = log(sum);
    var loss = 0.0;
    var total = 0.0; // of the target probabilities
    for (var j = 0u; j < params.n; j++) {
        let y = wanted(label, j);
        loss += y * (log_sum - (logits[start + j] - largest));
        total += y;
    }
    let used = label < params.n;
    let scale = select(0.0, 1.0 / weight_sum, weight_sum > 0.0);
    // NaN the compiler cannot fold: n is never zero.
    let nan = bitcast<f32>(select(0u, 0x7fc00000u, params.n > 0u));
    for (var j = 0u; j < params.n; j++) {
        let p = exp(logits[start + j] - largest) / sum;
        let g = (p * total - wanted(label, j)) * scale;
        gradient[start + j] = select(0.0, select(g, nan, broken), used);
    }
    losses[row] = select(0.0, select(loss * scale * f32(counters[ROWS]), nan, broken), used);
}
