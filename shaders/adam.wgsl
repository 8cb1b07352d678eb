struct Params {
    n: u32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    decayed: u32,
    decay: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
/// [3]
@group(0) @binding(2) var<storage, read> rates: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read_write> weight: array<Element>;
/// [n]
@group(0) @binding(4) var<storage, read_write> first_moment: array<Element>;
/// [n]
@group(0) @binding(5) var<storage, read_write> second_moment: array<Element>;

alias Element = vec4<f32>;

// A workgroup updates LANES * EACH elements. AHEAD is for drivers whose gathers stall on a cache miss: uniform loads
// (one address for all lanes) first prefetch the data needed UNROLLED rounds later.
const UNROLLED = min(EACH, 4u);

// Loads one word from each cache line that a round starting at element i reads.
fn read_ahead(i: u32) -> u32 {
    var bits = 0u;
    for (var j = 0u; j < LANES; j += 4u) {
        let at = min(i + j, params.n / 4u - 1u);
        bits |= bitcast<u32>(gradient[at].x) | bitcast<u32>(weight[at].x);
        bits |= bitcast<u32>(first_moment[at].x) | bitcast<u32>(second_moment[at].x);
    }
    return bits;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let first = (group.y * groups.x + group.x) * LANES * EACH;
    var ahead = 0u;
    for (var round = 0u; round < EACH; round += UNROLLED) {
        for (var j = 0u; j < UNROLLED; j++) {
            let start = first + (round + j) * LANES;
            if (AHEAD) { ahead |= read_ahead(start + UNROLLED * LANES); }
            let i = start + local.x;
            if (i < params.n / 4u) { update(i, gradient[i], select(0.0, params.decay, 4u * i < params.decayed)); }
        }
    }
    if (AHEAD && params.n == 0u) { weight[0] = vec4<f32>(f32(ahead)); } // never; keeps the prefetch alive
}
