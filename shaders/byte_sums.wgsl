struct Params { samples: u32, features: u32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [samples, features] u8
@group(0) @binding(1) var<storage, read> items: array<u32>;
/// [parts, 2]: for each PART words of the items, the sum of the bytes and of their squares
@group(0) @binding(2) var<storage, read_write> part_sums: array<u32>;

var<workgroup> lanes: array<vec2<u32>, WORKGROUP>;

// One workgroup per part; integer sums do not depend on order.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let part = group.y * groups.x + group.x;
    let words = (params.features + 3u) / 4u;
    let end = min((part + 1u) * PART, params.samples * words);
    var sum = vec2(0u);
    for (var w = part * PART + local; w < end; w += WORKGROUP) {
        // The last word of an item may be padded.
        let used = min(4u, params.features - 4u * (w % words));
        let word = extractBits(items[w], 0u, 8u * used);
        let bytes = (vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu);
        sum += vec2(dot(bytes, vec4(1u)), dot(bytes, bytes));
    }
    lanes[local] = sum;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (local < half) {
            lanes[local] += lanes[local + half];
        }
    }
    if (local == 0u && part < params.parts) {
        part_sums[2u * part] = lanes[0].x;
        part_sums[2u * part + 1u] = lanes[0].y;
    }
}
