fn activation(x: f32, slope: f32) -> f32 {
    // log(1 + e) = 2 artanh(s), s = e / (2 + e), which is accurate for small e. For the smallest normal e, s would be
    // subnormal and may be flushed to zero; 2 s is not.
    let e = exp(-abs(x));
    let twice_s = e / (1.0 + 0.5 * e);
    let z = 0.25 * twice_s * twice_s;
    var sum = 1.0 / 15.0;
    sum = 1.0 / 13.0 + z * sum;
    sum = 1.0 / 11.0 + z * sum;
    sum = 1.0 / 9.0 + z * sum;
    sum = 1.0 / 7.0 + z * sum;
    sum = 1.0 / 5.0 + z * sum;
    sum = 1.0 / 3.0 + z * sum;
    sum = 1.0 + z * sum;
    return max(x, 0.0) + twice_s * sum;
}

fn derivative(x: f32, slope: f32) -> f32 {
    return sigmoid(x);
}

