// Returns a row's loss (zero if invalid) and writes its gradient. Non-finite logits yield NaN explicitly: `max` and
// comparisons would lose it.
fn softmax_cross_entropy_row(row: u32) -> f32 {
    let start = row * params.n;
    let label = labels[row];
    var largest = logits[start];
    var broken = is_not_finite(largest);
    for (var j = 1u; j < params.n; j++) {
        let z = logits[start + j];
        largest = max(largest, z);
        broken = broken || is_not_finite(z);
    }
    var sum = 0.0;
    for (var j = 0u; j < params.n; j++) {
        sum += exp(logits[start + j] - largest);
    }
    let used = label < params.n;
    let scale = 1.0 / f32(counters[ROWS]);
    // NaN the compiler cannot fold: n is never zero.
    let nan = bitcast<f32>(select(0u, 0x7fc00000u, params.n > 0u));
    for (var j = 0u; j < params.n; j++) {
        let p = exp(logits[start + j] - largest) / sum;
        let g = (p - select(0.0, 1.0, j == label)) * scale;
        gradient[start + j] = select(0.0, select(g, nan, broken), used);
    }
    var loss = 0.0;
    if (used) {
        loss = select(log(sum) - (logits[start + label] - largest), nan, broken);
    }
    return loss;
}
