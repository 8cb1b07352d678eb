/// [m, n], ReLU's output
@group(0) @binding(4) var<storage, read> activation: array<Element>;

fn epilogue(row: u32, column: u32, x: Element) -> Element {
    return select(Element(), x, activation[(row * params.n + column) / PACK] > Element());
}

