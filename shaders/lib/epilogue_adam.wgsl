
// The product is a weight's gradient, the column sums that of the bias next to it: each stored element also updates its
// element of the arena, by adam_step.wgsl.

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

fn epilogue(row: u32, column: u32, x: Element) -> Element {
    update((params.weight_at + row * params.n + column) / PACK, x, params.decay);
    return x;
}
