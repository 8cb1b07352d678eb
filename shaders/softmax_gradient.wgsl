struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n], gradient of softmax's output
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
/// [m, n], softmax's output
@group(0) @binding(2) var<storage, read> probabilities: array<f32>;
/// [m, n]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

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
    var sum = 0.0;
    for (var j = 0u; j < params.n; j++) {
        sum += gradient[start + j] * probabilities[start + j];
    }
    for (var j = 0u; j < params.n; j++) {
        out[start + j] = probabilities[start + j] * (gradient[start + j] - sum);
    }
}
