struct Params { m: u32, k: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, k], or [k, m] where TRANSPOSE_A
@group(0) @binding(1) var<storage, read> a: array<LoadA>;
/// [k, n], or [n, k] where TRANSPOSE_B
@group(0) @binding(2) var<storage, read> b: array<LoadB>;
/// [m, n]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

