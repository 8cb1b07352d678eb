// For drivers that run shaders on a CPU, without subgroups. As there every load costs an instruction or more for every
// lane, and workgroup memory is no cheaper than a buffer, an invocation reads straight from the buffers into a block
// of ROWS x COLUMNS sums, as large as pays, so that each value read serves many products.
//
// A workgroup has LANES invocations side by side: ROWS x (COLUMNS * LANES) elements of `out`.
//
// Quads are written out, not looped over: drivers refuse to unroll big loops, and sums that are indexed by a variable
// live in memory (20 times slower).

const BANDS = ROWS / 4u;
const QUADS = COLUMNS / 4u; // 1 to 4
const TILE_COLUMNS = COLUMNS * LANES;

alias Quad = array<array<vec4<f32>, 4>, BANDS>; // four columns of ROWS rows
alias Left = array<mat4x4<f32>, BANDS>;

fn multiply(left: Left, right: mat4x4<f32>, quad: Quad) -> Quad {
    var sum = quad;
    for (var h = 0u; h < BANDS; h++) {
        for (var i = 0u; i < 4u; i++) { sum[h][i] = accumulate(left[h][i], right, sum[h][i]); }
    }
    return sum;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let across = (params.n + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = group.y * groups.x + group.x;
    let row = tile / across * ROWS;
    let column = tile % across * TILE_COLUMNS + 4u * lane;
    if (row >= params.m) { return; }

    var sum: array<Quad, 4>;
    for (var k = 0u; k < params.k; k += 4u) {
        var left: Left;
        for (var h = 0u; h < BANDS; h++) { left[h] = block_a(row + 4u * h, k); }
        sum[0] = multiply(left, block_b(k, column), sum[0]);
        if (QUADS > 1u) { sum[1] = multiply(left, block_b(k, column + 4u * LANES), sum[1]); }
        if (QUADS > 2u) { sum[2] = multiply(left, block_b(k, column + 8u * LANES), sum[2]); }
        if (QUADS > 3u) { sum[3] = multiply(left, block_b(k, column + 12u * LANES), sum[3]); }
    }
    for (var j = 0u; j < QUADS; j++) {
        for (var h = 0u; h < BANDS; h++) {
            for (var i = 0u; i < 4u; i++) { store(row + 4u * h + i, column + 4u * LANES * j, sum[j][h][i]); }
        }
    }
}
