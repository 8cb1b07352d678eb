
fn term(x: f32, y: f32) -> f32 {
    let distance = abs(x - y);
    if (distance <= params.delta) {
        return 0.5 * distance * distance;
    }
    return params.delta * (distance - 0.5 * params.delta);
}

fn slope(x: f32, y: f32) -> f32 {
    return clamp(x - y, -params.delta, params.delta);
}
