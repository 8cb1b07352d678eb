// Counter-based random numbers; the twin is src/random.rs.

// Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
fn pcg4d(seed: vec4<u32>) -> vec4<u32> {
    var v = seed * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// Position `index` of an epoch under a pseudo-random permutation of 0..n: a Feistel network, cycle-walked until the
// result is below n, which terminates because index < n lies on the cycle.
fn permute(seed: vec2<u32>, epoch: u32, index: u32, n: u32) -> u32 {
    let keys = pcg4d(vec4(seed, epoch, PERMUTATION));
    let half = (33u - countLeadingZeros(n - 1u)) / 2u;
    let mask = (1u << half) - 1u;
    var x = index;
    loop {
        var left = x >> half;
        var right = x & mask;
        for (var round = 0u; round < 6u; round++) {
            let mixed = pcg4d(vec4(right, keys[round % 4u], round, 0u)).x;
            let next = left ^ (mixed & mask);
            left = right;
            right = next;
        }
        x = (left << half) | right;
        if (x < n) {
            break;
        }
    }
    return x;
}

// Four random words for one step, from their own stream; `block` numbers them.
fn step_words(seed: vec2<u32>, stream: u32, step: u32, block: u32) -> vec4<u32> {
    let keys = pcg4d(vec4(seed, stream, step));
    return pcg4d(vec4(keys.xyz, block));
}

