/// [m, n], what ReLU gave
@group(0) @binding(4) var<storage, read> activation: array<f32>;

fn epilogue(row: u32, column: u32, x: f32) -> f32 {
    return select(0.0, x, activation[row * params.n + column] > 0.0);
}

