struct Params { kind: u32, warmup: u32, every: u32, gamma: f32, steps: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [4]
@group(0) @binding(1) var<storage, read> counters: array<u32>;
/// [3]
@group(0) @binding(2) var<storage, read_write> rates: array<f32>;

// base^exponent for base in [0, 1], by squaring.
fn power(base: f32, exponent: u32) -> f32 {
    var result = 1.0;
    var square = base;
    for (var rest = exponent; rest > 0u; rest >>= 1u) {
        if ((rest & 1u) != 0u) {
            result *= square;
        }
        square *= square;
    }
    return result;
}

// sin(x) for x in [0, pi / 2], by its Taylor series to x^13: WGSL's sin may be off by 2^-11.
fn sine(x: f32) -> f32 {
    let y = x * x;
    var sum = 1.0 - y * (1.0 / 156.0);
    sum = 1.0 - y * (1.0 / 110.0) * sum;
    sum = 1.0 - y * (1.0 / 72.0) * sum;
    sum = 1.0 - y * (1.0 / 42.0) * sum;
    sum = 1.0 - y * (1.0 / 20.0) * sum;
    sum = 1.0 - y * (1.0 / 6.0) * sum;
    return x * sum;
}

// Runs after the step's counters are set: one invocation.
@compute @workgroup_size(1)
fn main() {
    var factor = 1.0;
    if (counters[STEP] <= params.warmup) {
        factor = f32(counters[STEP]) / f32(params.warmup);
    } else {
        let done = counters[STEP] - 1u - params.warmup;
        if (params.kind == STEP_DECAY) {
            factor = power(params.gamma, done / params.every);
        } else if (params.kind == COSINE) {
            let left = params.steps - min(done, params.steps);
            let root = sine(1.5707964 * (f32(left) / f32(params.steps)));
            factor = root * root;
        }
    }
    rates[LEARNING_RATE] *= factor;
}
