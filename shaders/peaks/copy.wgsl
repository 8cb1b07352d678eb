// Copies EACH vectors per invocation, adjacent across invocations.

struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;
/// [n]
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let first = (group.y * groups.x + group.x) * EACH * WORKGROUP + local;
    for (var j = 0u; j < EACH; j++) {
        let i = first + j * WORKGROUP;
        if (i < params.n / 4u) {
            out[i] = a[i];
        }
    }
}
