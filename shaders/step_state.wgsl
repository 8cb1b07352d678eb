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

// Begins a step: one invocation.
@compute @workgroup_size(1)
fn main() {
    counters[STEP] += 1u;
    var position = counters[POSITION] + counters[ROWS];
    if (position >= params.samples) {
        position = 0u;
        counters[EPOCH] += 1u;
    }
    counters[POSITION] = position;
    counters[ROWS] = min(params.batch, params.samples - position);
    rates[LEARNING_RATE] = params.learning_rate;
    // 1 - beta^t, as the running mean of ones: no power, and no cancellation while t is small.
    rates[CORRECTION1] = params.beta1 * rates[CORRECTION1] + params.one_minus_beta1;
    rates[CORRECTION2] = params.beta2 * rates[CORRECTION2] + params.one_minus_beta2;
}
