
fn term(x: f32, y: f32) -> f32 {
    return (x - y) * (x - y);
}

fn slope(x: f32, y: f32) -> f32 {
    return 2.0 * (x - y);
}
