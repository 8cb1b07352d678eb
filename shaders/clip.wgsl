struct Params { n: u32, max_norm: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [1]
@group(0) @binding(1) var<storage, read> norm: array<f32>;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i >= params.n / 4u) {
        return;
    }
    gradient[i] *= params.max_norm / max(norm[0], params.max_norm);
}
