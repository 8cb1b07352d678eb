// Sums EACH vectors per invocation, adjacent across invocations.

struct Params { n: u32, sums: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> a: array<vec4<u32>>;
/// [sums]
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let number = linear_index(group, groups, local);
    let first = (group.y * groups.x + group.x) * EACH * WORKGROUP + local;
    var sum = vec4<u32>(0u);
    for (var j = 0u; j < EACH; j++) {
        let i = first + j * WORKGROUP;
        if (i < params.n / 4u) {
            sum += a[i];
        }
    }
    if (number < params.sums) {
        out[number] = sum.x + sum.y + sum.z + sum.w;
    }
}
