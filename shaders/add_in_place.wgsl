struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n]
@group(0) @binding(1) var<storage, read> b: array<f32>;
/// [n]
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i < params.n) {
        sum[i] += b[i];
    }
}
