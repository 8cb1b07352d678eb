fn activation(x: f32, slope: f32) -> f32 {
    return sigmoid(x);
}

fn derivative(x: f32, slope: f32) -> f32 {
    return sigmoid_derivative(x);
}

