// What a step begins with, from the last one's; `params` of the shader says how many samples, rows and so on.

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

// 1 - beta^t, as the running mean of ones: no power, and no cancellation while t is small.
fn begin_rates() {
    rates[LEARNING_RATE] = params.learning_rate;
    rates[CORRECTION1] = params.beta1 * rates[CORRECTION1] + params.one_minus_beta1;
    rates[CORRECTION2] = params.beta2 * rates[CORRECTION2] + params.one_minus_beta2;
}
