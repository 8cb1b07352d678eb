struct Params { n: u32, parts: u32, start: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [parts, 2]: the index of a part's first non-finite element, or NONE, and their count
@group(0) @binding(2) var<storage, read_write> found: array<u32>;

// One invocation per part, strided over the array so that neighbors read adjacent words.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let part = linear_index(group, groups, local.x);
    if (part >= params.parts) {
        return;
    }
    var first = NONE;
    var count = 0u;
    for (var i = part; i < params.n; i += params.parts) {
        let bad = is_not_finite(a[i]);
        first = select(first, min(first, params.start + i), bad);
        count += select(0u, 1u, bad);
    }
    found[2u * part] = first;
    found[2u * part + 1u] = count;
}
