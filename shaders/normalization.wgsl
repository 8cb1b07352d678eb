struct Params { samples: u32, features: u32, parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [parts, 2]: for each PART words of the items, the sum of the bytes and of their squares
@group(0) @binding(1) var<storage, read> part_sums: array<u32>;
/// [2]: the mean of all bytes, in [0, 1], and 1 / their standard deviation
@group(0) @binding(2) var<storage, read_write> normalization: array<f32>;

var<workgroup> center: u32;

// The number of bytes before a word of the items.
fn bytes_before(word: u32) -> u32 {
    let words = (params.features + 3u) / 4u;
    return word / words * params.features + min(4u * (word % words), params.features);
}

// One workgroup. The first pass finds the byte nearest to the mean. The second sums moments about it, which are
// integers per part and exact although intermediate terms wrap: differences stay below 2^24, squares below 2^32.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    let local = id.x;
    let count = f32(params.samples * params.features);
    var sum = 0.0;
    for (var part = local; part < params.parts; part += WORKGROUP) {
        sum += f32(part_sums[2u * part]);
    }
    let total = workgroup_sum(sum, local);
    if (local == 0u) {
        center = u32(total / count + 0.5);
    }
    workgroupBarrier();
    let c = center;
    let end = params.samples * ((params.features + 3u) / 4u);
    var differences = 0.0;
    var squares = 0.0;
    for (var part = local; part < params.parts; part += WORKGROUP) {
        let n = bytes_before(min((part + 1u) * PART, end)) - bytes_before(part * PART);
        let s = part_sums[2u * part];
        differences += f32(bitcast<i32>(s - c * n));
        squares += f32(part_sums[2u * part + 1u] - 2u * c * s + c * c * n);
    }
    let difference = workgroup_sum(differences, local) / count;
    workgroupBarrier();
    let square = workgroup_sum(squares, local) / count;
    if (local == 0u) {
        normalization[0] = (f32(c) + difference) * (1.0 / 255.0);
        var reciprocal = 1.0;
        // If all squares are zero, all bytes are equal.
        if (square > 0.0) {
            reciprocal = 255.0 / sqrt(square - difference * difference);
        }
        normalization[1] = reciprocal;
    }
}
