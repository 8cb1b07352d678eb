struct Params { n: u32, seed_low: u32, seed_high: u32, layer: u32, threshold: u32, factor: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [4]
@group(0) @binding(2) var<storage, read> counters: array<u32>;
/// [n]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// Four elements per invocation: random words come in fours.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let block = linear_index(group, groups, local.x);
    if (block >= (params.n + 3u) / 4u) {
        return;
    }
    let seed = vec2(params.seed_low, params.seed_high);
    let words = step_words(seed, DROPOUT + params.layer, counters[STEP], block);
    let used = min(4u, params.n - 4u * block);
    for (var i = 0u; i < used; i++) {
        let kept = words[i] >= params.threshold;
        out[4u * block + i] = select(0.0, params.factor * a[4u * block + i], kept);
    }
}
