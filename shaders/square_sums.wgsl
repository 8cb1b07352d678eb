struct Params { n: u32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
/// [parts]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

// One workgroup per part, strided over the array so that neighbors read adjacent words.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let part = group.y * groups.x + group.x;
    var squares = vec4<f32>();
    for (var i = part * WORKGROUP + local; i < params.n / 4u; i += params.parts * WORKGROUP) {
        squares += a[i] * a[i];
    }
    let sum = workgroup_sum((squares.x + squares.y) + (squares.z + squares.w), local);
    if (local == 0u && part < params.parts) {
        out[part] = sum;
    }
}
