struct Params {
    samples: u32,
    batch: u32,
    learning_rate: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
/// [4]
@group(0) @binding(1) var<storage, read_write> counters: array<u32>;
/// [3]
@group(0) @binding(2) var<storage, read_write> rates: array<f32>;

// Begins a step; one invocation.
@compute @workgroup_size(1)
fn main() {
    let next = next_counters(vec4(counters[STEP], counters[EPOCH], counters[POSITION], counters[ROWS]));
    for (var i = 0u; i < 4u; i++) {
        counters[i] = next[i];
    }
    begin_rates();
}
