// out = A . B, then the epilogue, for row-major matrices. The family's body, lib/matmul_*.wgsl, follows.
//
// The prelude defines the storage layout and load widths:
//     TRANSPOSE_A, TRANSPOSE_B    bool constants, never both true
//     LoadA, VECTOR_A             vec4<f32>, true if the length of a stored row of A is a multiple of 4; else f32, false
//     LoadB, VECTOR_B             likewise for B
//     Element, PACK               vec4<f32>, 4 if n is a multiple of 4; else f32, 1: an element of `out`
//     pack(x, i)                  element i of the 4 / PACK elements in x
//     epilogue(row, column, x)    the value to store for Element x, which starts at (row, column)
//     COLUMN_SUMS                 whether the workgroups of the first rows of `out` also sum the columns of B
//     store_sums(column, total)   stores these sums for four columns starting at `column`
//     Params                      m, k, n and the epilogue's parameters

@group(0) @binding(0) var<uniform> params: Params;
/// [m, k], or [k, m] where TRANSPOSE_A
@group(0) @binding(1) var<storage, read> a: array<LoadA>;
/// [k, n], or [n, k] where TRANSPOSE_B
@group(0) @binding(2) var<storage, read> b: array<LoadB>;
/// [m, n]
@group(0) @binding(3) var<storage, read_write> out: array<Element>;

// Four elements of a stored row of A, zero outside the matrix, so tiles that overhang an edge in m, k or n need no
// special case. Indices are clamped: nothing out of bounds is read.
// vec4(x) is the identity for a vector and a splat for a scalar, so both branches are valid for either LoadA.
fn load_a(row: u32, column: u32) -> vec4<f32> {
    let rows = select(params.m, params.k, TRANSPOSE_A);
    let columns = select(params.k, params.m, TRANSPOSE_A);
    let start = min(row, rows - 1u) * columns;
    var x: vec4<f32>;
    if (VECTOR_A) {
        x = vec4<f32>(a[(start + min(column, columns - 4u)) / 4u]);
        return select(vec4<f32>(), x, row < rows && column < columns);
    }
    if (row < rows && column < columns) {
        for (var i = 0u; i < 4u; i++) {
            x[i] = select(0.0, vec4<f32>(a[start + min(column + i, columns - 1u)]).x, column + i < columns);
        }
    }
    return x;
}

fn load_b(row: u32, column: u32) -> vec4<f32> {
    let rows = select(params.k, params.n, TRANSPOSE_B);
    let columns = select(params.n, params.k, TRANSPOSE_B);
    let start = min(row, rows - 1u) * columns;
    var x: vec4<f32>;
    if (VECTOR_B) {
        x = vec4<f32>(b[(start + min(column, columns - 4u)) / 4u]);
        return select(vec4<f32>(), x, row < rows && column < columns);
    }
    if (row < rows && column < columns) {
        for (var i = 0u; i < 4u; i++) {
            x[i] = select(0.0, vec4<f32>(b[start + min(column + i, columns - 1u)]).x, column + i < columns);
        }
    }
    return x;
}

// The 4x4 block of A at [row, k]; each column of the result is a matrix row.
fn block_a(row: u32, k: u32) -> mat4x4<f32> {
    if (TRANSPOSE_A) {
        return transpose(mat4x4<f32>(load_a(k, row), load_a(k + 1u, row), load_a(k + 2u, row), load_a(k + 3u, row)));
    }
    return mat4x4<f32>(load_a(row, k), load_a(row + 1u, k), load_a(row + 2u, k), load_a(row + 3u, k));
}

// The 4x4 block of B at [k, column]; each column of the result is a matrix row.
fn block_b(k: u32, column: u32) -> mat4x4<f32> {
    if (TRANSPOSE_B) {
        return transpose(mat4x4<f32>(load_b(column, k), load_b(column + 1u, k), load_b(column + 2u, k), load_b(column + 3u, k)));
    }
    return mat4x4<f32>(load_b(k, column), load_b(k + 1u, column), load_b(k + 2u, column), load_b(k + 3u, column));
}

// sum + left . right over four steps of k, added one at a time in increasing order. All families use this order, so
// their results are bit-identical.
fn accumulate(left: vec4<f32>, right: mat4x4<f32>, sum: vec4<f32>) -> vec4<f32> {
    return fma(left.wwww, right[3], fma(left.zzzz, right[2], fma(left.yyyy, right[1], fma(left.xxxx, right[0], sum))));
}

// Stores four columns of a row of `out`, clipped to the matrix.
fn store(row: u32, column: u32, x: vec4<f32>) {
    for (var i = 0u; i < 4u / PACK; i++) {
        let c = column + i * PACK;
        if (row < params.m && c < params.n) {
            out[(row * params.n + c) / PACK] = epilogue(row, c, pack(x, i));
        }
    }
}
