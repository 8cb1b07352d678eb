// For few columns, on drivers that run shaders on a CPU: each lane owns four rows of `out`, so none is idle past the
// last column. All lanes read the same elements of B, which newer drivers load once for all of them.
//
// A workgroup is LANES invocations and computes (4 * LANES) x COLUMNS elements of `out`.

const TILE_ROWS = 4u * LANES;
const QUADS = COLUMNS / 4u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_id) id: vec3<u32>) {
    let lane = id.x;
    let across = (params.n + COLUMNS - 1u) / COLUMNS;
    let tile = group.y * groups.x + group.x;
    let row = tile / across * TILE_ROWS + 4u * lane;
    let column = tile % across * COLUMNS;
    if (row >= params.m) { return; }

    var sum: array<array<vec4<f32>, 4>, QUADS>;
    var total: array<vec4<f32>, QUADS>;
    for (var k = 0u; k < params.k; k += 4u) {
        let left = block_a(row, k);
        for (var j = 0u; j < QUADS; j++) {
            let right = block_b(k, column + 4u * j);
            if (COLUMN_SUMS && row == 0u) { total[j] = accumulate(vec4<f32>(1.0), right, total[j]); }
            for (var i = 0u; i < 4u; i++) { sum[j][i] = accumulate(left[i], right, sum[j][i]); }
        }
    }
    for (var j = 0u; j < QUADS; j++) {
        if (COLUMN_SUMS && row == 0u) { store_sums(column + 4u * j, total[j]); }
        for (var i = 0u; i < 4u; i++) { store(row + i, column + 4u * j, sum[j][i]); }
    }
}
