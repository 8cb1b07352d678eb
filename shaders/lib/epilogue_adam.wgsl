
// The product is the gradient of a weight, the column sums that of the bias beside it: with each element that is stored,
// that of the arena goes a step on, as in adam.wgsl.

struct Params {
    m: u32,
    k: u32,
    n: u32,
    total: u32,
    weight_at: u32,
    bias_at: u32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    decay: f32,
}
/// [3]
@group(0) @binding(5) var<storage, read> rates: array<f32>;
/// [total]
@group(0) @binding(6) var<storage, read_write> weight: array<Element>;
/// [total]
@group(0) @binding(7) var<storage, read_write> first_moment: array<Element>;
/// [total]
@group(0) @binding(8) var<storage, read_write> second_moment: array<Element>;

fn update(i: u32, g: Element, decay: f32) {
    let m = params.beta1 * first_moment[i] + params.one_minus_beta1 * g;
    let v = params.beta2 * second_moment[i] + params.one_minus_beta2 * (g * g);
    first_moment[i] = m;
    second_moment[i] = v;
    let m_hat = m / rates[CORRECTION1];
    let v_hat = v / rates[CORRECTION2];
    var w = weight[i];
    if (decay > 0.0) {
        w -= rates[LEARNING_RATE] * decay * w;
    }
    weight[i] = w - rates[LEARNING_RATE] * m_hat / (sqrt(v_hat) + params.epsilon);
}

fn epilogue(row: u32, column: u32, x: Element) -> Element {
    update((params.weight_at + row * params.n + column) / PACK, x, params.decay);
    return x;
}
