struct Params { m: u32, n: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(2) var<storage, read> weight: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read> bias: array<f32>;
/// [m, n]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
/// [m, 2]: each row's mean and 1 / standard deviation
@group(0) @binding(5) var<storage, read_write> statistics: array<f32>;

// One invocation per row.
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
    let both = moments(start, 1u, params.n);
    let mean = both.x;
    let reciprocal = inverseSqrt(both.y + params.epsilon);
    statistics[2u * row] = mean;
    statistics[2u * row + 1u] = reciprocal;
    for (var j = 0u; j < params.n; j++) {
        out[start + j] = (a[start + j] - mean) * reciprocal * weight[j] + bias[j];
    }
}
