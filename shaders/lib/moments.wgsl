// Mean and variance of `count` numbers of `a`, the first at `start` and each `stride` after the one before.
//
// Two passes. The first adds up differences from the first number, so that the sum of numbers far from zero is not
// rounded at their size, and the variance of equal numbers is exactly zero.
fn moments(start: u32, stride: u32, count: u32) -> vec2<f32> {
    let shift = a[start];
    var sum = 0.0;
    for (var i = 0u; i < count; i++) {
        sum += a[start + i * stride] - shift;
    }
    let mean = shift + sum / f32(count);
    var squares = 0.0;
    for (var i = 0u; i < count; i++) {
        let difference = a[start + i * stride] - mean;
        squares += difference * difference;
    }
    return vec2(mean, squares / f32(count));
}

