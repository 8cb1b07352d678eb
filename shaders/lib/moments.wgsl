// Mean and variance of `count` elements of `a`, starting at `start`, `stride` apart.
//
// Two passes. The first sums differences from the first element, so that values far from zero lose no precision and the
// variance of equal values is exactly zero.
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

