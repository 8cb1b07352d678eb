struct Params { m: u32, p: u32, q: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, p]
@group(0) @binding(1) var<storage, read> left: array<f32>;
/// [m, q]
@group(0) @binding(2) var<storage, read> right: array<f32>;
/// [m, n], with n = p + q
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i < params.m * params.n) {
        let row = i / params.n;
        let column = i % params.n;
        if (column < params.p) {
            out[i] = left[row * params.p + column];
        } else {
            out[i] = right[row * params.q + column - params.p];
        }
    }
}
