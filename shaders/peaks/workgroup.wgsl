// Reads workgroup memory four words at a time, adjacent across invocations, and sums them.

struct Params { n: u32, rounds: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n]
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

var<workgroup> tile: array<vec4<u32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let i = linear_index(group, groups, local);
    tile[local] = vec4<u32>(local, local + 1u, local + 2u, local + 3u);
    workgroupBarrier();
    var sum = vec4<u32>(0u);
    for (var round = 0u; round < params.rounds; round += 8u) {
        for (var j = 0u; j < 8u; j++) {
            sum += tile[(local + round + j) % WORKGROUP];
        }
    }
    if (i < params.n) {
        out[i] = sum.x + sum.y + sum.z + sum.w;
    }
}
