
fn term(x: f32, y: f32) -> f32 {
    return abs(x - y);
}

fn slope(x: f32, y: f32) -> f32 {
    return sign(x - y);
}
