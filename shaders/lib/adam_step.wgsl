// One Adam step for element i of the arena with gradient g; weight decay is applied first (none if `decay` is 0).
fn update(i: u32, g: Element, decay: f32) {
    let m = params.beta1 * first_moment[i] + params.one_minus_beta1 * g;
    let v = params.beta2 * second_moment[i] + params.one_minus_beta2 * (g * g);
    first_moment[i] = m;
    second_moment[i] = v;
    let m_hat = m / rates[CORRECTION1];
    let v_hat = v / rates[CORRECTION2];
    var w = weight[i];
    w -= rates[LEARNING_RATE] * decay * w;
    weight[i] = w - rates[LEARNING_RATE] * m_hat / (sqrt(v_hat) + params.epsilon);
}
