/// [n]
@group(0) @binding(4) var<storage, read> bias: array<Element>;

fn epilogue(row: u32, column: u32, x: Element) -> Element {
    return x + bias[column / PACK];
}

