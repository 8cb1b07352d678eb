struct Params { m: u32, n: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(2) var<storage, read> weight: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read> bias: array<f32>;
/// [n]
@group(0) @binding(4) var<storage, read> running_mean: array<f32>;
/// [n]
@group(0) @binding(5) var<storage, read> running_variance: array<f32>;
/// [4]
@group(0) @binding(6) var<storage, read> counters: array<u32>;
/// [m, n], zero in invalid rows
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i >= params.m * params.n) {
        return;
    }
    let column = i % params.n;
    let reciprocal = inverseSqrt(running_variance[column] + params.epsilon);
    let value = (a[i] - running_mean[column]) * reciprocal * weight[column] + bias[column];
    out[i] = select(0.0, value, i / params.n < counters[ROWS]);
}
