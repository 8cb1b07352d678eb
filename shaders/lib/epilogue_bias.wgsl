/// [n]
@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn epilogue(row: u32, column: u32, x: f32) -> f32 {
    return x + bias[column];
}

