// For GPUs: a workgroup computes TILE_ROWS x TILE_COLUMNS elements of `out`, staging TILE_DEPTH steps of k at a time in
// workgroup memory; an invocation computes (4 * BANDS) x (4 * QUADS) of them in registers.
//
// - An invocation loads one 4x4 block of each matrix, or of only one if there are twice as many invocations as blocks,
//   so rows of B and columns of A reach workgroup memory as whole vectors in any layout: left[k] and right[k] are then
//   read four floats at a time.
// - Eight neighbors load adjacent blocks and store adjacent vectors: no bank conflicts; 32 together read at least 64
//   contiguous bytes of each stored row.
// - An invocation's bands are TILE_ROWS / BANDS apart (likewise its quads), so neighbors also read adjacent vectors.
// - The next blocks are loaded while the current ones are multiplied.
//
// Needs (TILE_ROWS + TILE_COLUMNS) * TILE_DEPTH * 4 bytes of workgroup memory, tile sizes that are multiples of 32
// (TILE_DEPTH: of 4; BANDS and QUADS: 1 or 2), and as many invocations as either tile has 4x4 blocks, or as both have.

const LEFT = TILE_ROWS / 4u; // vectors per step of k
const RIGHT = TILE_COLUMNS / 4u;
const STEPS = TILE_DEPTH / 4u; // blocks per tile along k
const DOWN = LEFT / BANDS; // invocations
const ACROSS = RIGHT / QUADS;
const BLOCKS = max(LEFT, RIGHT) * STEPS; // loaded of either matrix
const APART = BLOCKS < DOWN * ACROSS; // invocations that load A do not load B

var<workgroup> left: array<vec4<f32>, LEFT * TILE_DEPTH>; // [k][row / 4]
var<workgroup> right: array<vec4<f32>, RIGHT * TILE_DEPTH>; // [k][column / 4]

@compute @workgroup_size(DOWN * ACROSS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_id) id: vec3<u32>) {
    let index = id.x;
    let across = (params.n + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = group.y * groups.x + group.x;
    let row = tile / across * TILE_ROWS;
    let column = tile % across * TILE_COLUMNS;
    if (row >= params.m) { return; } // uniform over the workgroup, as the barriers below require

    // The blocks this invocation loads: eight adjacent ones, then along k, then the next eight.
    let block = index % BLOCKS;
    let along = block % 8u + block / (8u * STEPS) * 8u;
    let depth = block / 8u % STEPS;
    let fetches_left = along < LEFT && (!APART || index < BLOCKS);
    let fetches_right = along < RIGHT && (!APART || index >= BLOCKS);
    var next_left: mat4x4<f32>;
    var next_right: mat4x4<f32>;
    if (fetches_left) { next_left = transpose(block_a(row + 4u * along, 4u * depth)); }
    if (fetches_right) { next_right = block_b(4u * depth, column + 4u * along); }

    let down = index / ACROSS;
    let over = index % ACROSS;
    var sum: array<array<array<vec4<f32>, 4>, QUADS>, BANDS>;
    var total: array<vec4<f32>, QUADS>;
    let adds_columns = COLUMN_SUMS && row == 0u && down == 0u;
    for (var k = 0u; k < params.k; k += TILE_DEPTH) {
        for (var u = 0u; u < 4u; u++) {
            if (fetches_left) { left[(4u * depth + u) * LEFT + along] = next_left[u]; }
            if (fetches_right) { right[(4u * depth + u) * RIGHT + along] = next_right[u]; }
        }
        workgroupBarrier();
        let next = k + TILE_DEPTH + 4u * depth; // past the end the blocks are zeros and unused
        if (fetches_left) { next_left = transpose(block_a(row + 4u * along, next)); }
        if (fetches_right) { next_right = block_b(next, column + 4u * along); }
        for (var u = 0u; u < TILE_DEPTH; u++) {
            var x: array<vec4<f32>, BANDS>;
            for (var h = 0u; h < BANDS; h++) { x[h] = left[u * LEFT + h * DOWN + down]; }
            for (var j = 0u; j < QUADS; j++) {
                let y = right[u * RIGHT + j * ACROSS + over];
                if (adds_columns) { total[j] += y; }
                for (var h = 0u; h < BANDS; h++) {
                    sum[h][j][0] = fma(x[h].xxxx, y, sum[h][j][0]);
                    sum[h][j][1] = fma(x[h].yyyy, y, sum[h][j][1]);
                    sum[h][j][2] = fma(x[h].zzzz, y, sum[h][j][2]);
                    sum[h][j][3] = fma(x[h].wwww, y, sum[h][j][3]);
                }
            }
        }
        workgroupBarrier();
    }
    if (adds_columns) {
        for (var j = 0u; j < QUADS; j++) { store_sums(column + 4u * (j * ACROSS + over), total[j]); }
    }
    for (var h = 0u; h < BANDS; h++) {
        for (var i = 0u; i < 4u; i++) {
            for (var j = 0u; j < QUADS; j++) {
                store(row + 4u * (h * DOWN + down) + i, column + 4u * (j * ACROSS + over), sum[h][j][i]);
            }
        }
    }
}
