const LINEAR_TERM = 1.5957691216057308; // 2 sqrt(2 / pi)
const CUBIC_TERM = 0.07135481627260025; // 0.044715 times that

fn activation(x: f32, slope: f32) -> f32 {
    let w = x * (LINEAR_TERM + CUBIC_TERM * (x * x));
    return x * sigmoid(w);
}

fn derivative(x: f32, slope: f32) -> f32 {
    let w = x * (LINEAR_TERM + CUBIC_TERM * (x * x));
    let dw = LINEAR_TERM + 3.0 * CUBIC_TERM * (x * x);
    return sigmoid(w) + sigmoid_derivative(w) * (x * dw);
}

