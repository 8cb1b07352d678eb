// Sine and cosine of 2 * half for half in [-pi/2, pi/2], by Taylor series: WGSL's may be off by 2^-11.
fn sine_and_cosine_of_twice(half: f32) -> vec2<f32> {
    let z = half * half;
    let sine = half * (1.0 + z * (-1.0 / 6.0 + z * (1.0 / 120.0
        + z * (-1.0 / 5040.0 + z * (1.0 / 362880.0 + z * (-1.0 / 39916800.0))))));
    let cosine = 1.0 + z * (-0.5 + z * (1.0 / 24.0
        + z * (-1.0 / 720.0 + z * (1.0 / 40320.0 + z * (-1.0 / 3628800.0 + z * (1.0 / 479001600.0))))));
    return vec2(2.0 * sine * cosine, 1.0 - 2.0 * sine * sine);
}

