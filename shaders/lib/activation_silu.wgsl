fn activation(x: f32, slope: f32) -> f32 {
    return x * sigmoid(x);
}

fn derivative(x: f32, slope: f32) -> f32 {
    return sigmoid(x) + x * sigmoid_derivative(x);
}

