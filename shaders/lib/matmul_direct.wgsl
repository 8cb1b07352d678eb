// For drivers that run shaders on a CPU without subgroups. There, each load costs at least one instruction per lane and
// workgroup memory is no faster than a buffer, so an invocation reads directly from the buffers into a block of ROWS x
// 4 sums, using each loaded value in several products. Larger blocks spill registers.
//
// A workgroup is LANES invocations in a row and computes ROWS x (4 * LANES) elements of `out`.

const BANDS = ROWS / 4u;
const TILE_COLUMNS = 4u * LANES;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let across = (params.n + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = group.y * groups.x + group.x;
    let row = tile / across * ROWS;
    let column = tile % across * TILE_COLUMNS + 4u * lane;
    if (row >= params.m) { return; }

    var sum: array<array<vec4<f32>, 4>, BANDS>;
    var total: vec4<f32>;
    for (var k = 0u; k < params.k; k += 4u) {
        var left: array<mat4x4<f32>, BANDS>;
        for (var h = 0u; h < BANDS; h++) { left[h] = block_a(row + 4u * h, k); }
        let right = block_b(k, column);
        if (COLUMN_SUMS && row == 0u) { total = accumulate(vec4<f32>(1.0), right, total); }
        for (var h = 0u; h < BANDS; h++) {
            for (var i = 0u; i < 4u; i++) { sum[h][i] = accumulate(left[h][i], right, sum[h][i]); }
        }
    }
    if (COLUMN_SUMS && row == 0u) { store_sums(column, total); }
    for (var h = 0u; h < BANDS; h++) {
        for (var i = 0u; i < 4u; i++) { store(row + 4u * h + i, column, sum[h][i]); }
    }
}
