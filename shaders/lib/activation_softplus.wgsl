fn activation(x: f32, slope: f32) -> f32 {
    // log(1 + e) = 2 artanh(e / (2 + e)), which keeps the digits of a small e.
    let e = exp(-abs(x));
    let s = e / (2.0 + e);
    let z = s * s;
    var sum = 1.0 / 15.0;
    sum = 1.0 / 13.0 + z * sum;
    sum = 1.0 / 11.0 + z * sum;
    sum = 1.0 / 9.0 + z * sum;
    sum = 1.0 / 7.0 + z * sum;
    sum = 1.0 / 5.0 + z * sum;
    sum = 1.0 / 3.0 + z * sum;
    sum = 1.0 + z * sum;
    return max(x, 0.0) + 2.0 * s * sum;
}

fn derivative(x: f32, slope: f32) -> f32 {
    return sigmoid(x);
}

