struct Params { m: u32, n: u32, epsilon: f32, momentum: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(2) var<storage, read> weight: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read> bias: array<f32>;
/// [4]
@group(0) @binding(4) var<storage, read> counters: array<u32>;
/// [n]
@group(0) @binding(5) var<storage, read_write> running_mean: array<f32>;
/// [n]
@group(0) @binding(6) var<storage, read_write> running_variance: array<f32>;
/// [m, n], zero in invalid rows
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
/// [2, n]: each column's mean, then 1 / its standard deviation; those of the first row if no row is valid
@group(0) @binding(8) var<storage, read_write> statistics: array<f32>;

// One invocation per column: neighbors read adjacent words of each row.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let column = linear_index(group, groups, local.x);
    if (column >= params.n) {
        return;
    }
    let rows = min(counters[ROWS], params.m);
    let both = moments(column, params.n, max(rows, 1u));
    let mean = both.x;
    let reciprocal = inverseSqrt(both.y + params.epsilon);
    statistics[column] = mean;
    statistics[params.n + column] = reciprocal;
    if (rows > 0u) {
        running_mean[column] += params.momentum * (mean - running_mean[column]);
    }
    if (rows > 1u) {
        let unbiased = both.y * (f32(rows) / f32(rows - 1u));
        running_variance[column] += params.momentum * (unbiased - running_variance[column]);
    }
    for (var row = 0u; row < rows; row++) {
        let i = row * params.n + column;
        out[i] = (a[i] - mean) * reciprocal * weight[column] + bias[column];
    }
    for (var row = rows; row < params.m; row++) {
        out[row * params.n + column] = 0.0;
    }
}
