// A step's counters and rates, from the previous step's; sizes come from the shader's `params`.

fn next_counters(last: vec4<u32>) -> vec4<u32> {
    var next = last;
    next[STEP] += 1u;
    next[POSITION] += last[ROWS];
    if (next[POSITION] >= params.samples) {
        next[POSITION] = 0u;
        next[EPOCH] += 1u;
    }
    next[ROWS] = min(params.batch, params.samples - next[POSITION]);
    return next;
}

// 1 - beta^t, as a running mean of ones: no power function, and no cancellation for small t.
fn begin_rates() {
    rates[LEARNING_RATE] = params.learning_rate;
    rates[CORRECTION1] = params.beta1 * rates[CORRECTION1] + params.one_minus_beta1;
    rates[CORRECTION2] = params.beta2 * rates[CORRECTION2] + params.one_minus_beta2;
}
