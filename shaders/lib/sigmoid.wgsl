// 1 / (1 + exp(-x)), using the exponential that cannot overflow.
fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    let p = 1.0 / (1.0 + e);
    return select(e * p, p, x >= 0.0);
}

// sigmoid(x) * sigmoid(-x), which does not cancel, unlike s * (1 - s).
fn sigmoid_derivative(x: f32) -> f32 {
    let e = exp(-abs(x));
    let p = 1.0 / (1.0 + e);
    return e * p * p;
}

