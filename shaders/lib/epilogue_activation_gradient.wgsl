
/// [m, n], the activation's input
@group(0) @binding(4) var<storage, read> input: array<Element>;

fn epilogue(row: u32, column: u32, x: Element) -> Element {
    let z = vec4<f32>(input[(row * params.n + column) / PACK]); // a scalar is splat; only the first element is used
    var y: vec4<f32>;
    for (var i = 0u; i < PACK; i++) { y[i] = derivative(z[i], SLOPE); }
    return x * pack(y, 0u);
}
