const QUADS = COLUMNS / 4u;
const BANDS = ROWS / 4u;
// [i][u] = A[row + i, k + u]
fn block_a(row: u32, k: u32) -> mat4x4<f32> {
    if (TRANSPOSE_A) {
        let r = min(row, params.m - 4u);
        return transpose(mat4x4<f32>(load_a(k * params.m + r), load_a((k + 1u) * params.m + r), load_a((k + 2u) * params.m + r), load_a((k + 3u) * params.m + r)));
    }
    let last = params.m - 1u;
    return mat4x4<f32>(load_a(min(row, last) * params.k + k), load_a(min(row + 1u, last) * params.k + k), load_a(min(row + 2u, last) * params.k + k), load_a(min(row + 3u, last) * params.k + k));
}
fn block_b(k: u32, column: u32) -> mat4x4<f32> {
    if (TRANSPOSE_B) {
        let last = params.n - 1u;
        return transpose(mat4x4<f32>(load_b(min(column, last) * params.k + k), load_b(min(column + 1u, last) * params.k + k), load_b(min(column + 2u, last) * params.k + k), load_b(min(column + 3u, last) * params.k + k)));
    }
    let c = min(column, params.n - 4u);
    return mat4x4<f32>(load_b(k * params.n + c), load_b((k + 1u) * params.n + c), load_b((k + 2u) * params.n + c), load_b((k + 3u) * params.n + c));
}
@compute @workgroup_size(LANES * SUBGROUPS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let wide = (params.n + COLUMNS * LANES * SUBGROUPS - 1u) / (COLUMNS * LANES * SUBGROUPS);
    let tile = group.y * groups.x + group.x;
    let r0 = tile / wide * ROWS;
    let c0 = (tile % wide) * COLUMNS * LANES * SUBGROUPS + lane * 4u;
    if (r0 >= params.m) { return; }
    var c: array<array<mat4x4<f32>, QUADS>, BANDS>;
    for (var k = 0u; k < params.k; k += 4u) {
        var right: array<mat4x4<f32>, QUADS>;
        for (var j = 0u; j < QUADS; j++) { right[j] = block_b(k, c0 + j * 4u * LANES * SUBGROUPS); }
        for (var i = 0u; i < BANDS; i++) {
            let left = block_a(r0 + 4u * i, k);
            for (var j = 0u; j < QUADS; j++) {
                for (var x = 0u; x < 4u; x++) {
                    for (var u = 0u; u < 4u; u++) {
                        c[i][j][x] = fma(vec4<f32>(left[x][u]), right[j][u], c[i][j][x]);
                    }
                }
            }
        }
    }
    for (var i = 0u; i < BANDS; i++) {
        for (var x = 0u; x < 4u; x++) {
            let row = r0 + 4u * i + x;
            for (var j = 0u; j < QUADS; j++) {
                for (var y = 0u; y < 4u; y++) {
                    let column = c0 + j * 4u * LANES * SUBGROUPS + y;
                    if (row < params.m && column < params.n) { out[row * params.n + column] = epilogue(row, column, c[i][j][x][y]); }
                }
            }
        }
    }
}
