// For drivers that run shaders on a CPU, with subgroups. There, a load costs at least one instruction per lane but
// arithmetic one for all lanes, so each loaded value must be used in many products: a lane holds ROWS x 4 sums, and the
// subgroup loads A cooperatively, a block of SUBGROUP_SIZE rows x 4 steps of k with one vec4 per lane, then shuffles
// it.
//
// A workgroup is one subgroup and computes ROWS x (4 * SUBGROUP_SIZE) elements of `out`.
//
// RECENT drivers (Mesa 26 and later) use the CPU's gather instructions, which stall on a cache miss; uniform loads (one
// address for all lanes) therefore prefetch the part of B that the next iteration needs.
//
// Bands are unrolled by hand: drivers refuse to unroll large loops, and sums indexed by a variable live in memory (20
// times slower). Only the final copy is indexed.

const BANDS = ROWS / SUBGROUP_SIZE; // 1 to 8, exact
const TILE_COLUMNS = 4u * SUBGROUP_SIZE;
const LINE = 16u; // floats per cache line

alias Band = array<vec4<f32>, SUBGROUP_SIZE>; // four columns of SUBGROUP_SIZE rows

// This lane's share of the block of A at [row, k]: one row of it, in storage order if transposed.
fn fetch(row: u32, k: u32, lane: u32) -> vec4<f32> {
    if (TRANSPOSE_A) { return load_a(k + lane % 4u, row + lane / 4u * 4u); }
    return load_a(row + lane, k);
}

// Row i of the block, gathered from the lanes that hold it.
fn broadcast(share: vec4<f32>, i: u32) -> vec4<f32> {
    if (TRANSPOSE_A) {
        let x = share[i % 4u];
        let first = i / 4u * 4u;
        return vec4<f32>(subgroupShuffle(x, first), subgroupShuffle(x, first + 1u),
                         subgroupShuffle(x, first + 2u), subgroupShuffle(x, first + 3u));
    }
    return subgroupShuffle(share, i);
}

// Loads one word from each cache line that the tile uses in four rows of B starting at k.
fn read_ahead(k: u32, first: u32) -> u32 {
    var bits = 0u;
    for (var u = 0u; u < 4u; u++) {
        let start = min(k + u, params.k - 1u) * params.n;
        for (var i = 0u; i < TILE_COLUMNS; i += LINE) {
            let at = start + min(first + i, params.n - 1u);
            bits |= bitcast<u32>(vec4<f32>(b[select(at, at / 4u, VECTOR_B)]).x);
        }
    }
    return bits;
}

fn multiply(share: vec4<f32>, right: mat4x4<f32>, band: Band) -> Band {
    var sum = band;
    for (var i = 0u; i < SUBGROUP_SIZE; i++) { sum[i] = accumulate(broadcast(share, i), right, sum[i]); }
    return sum;
}

@compute @workgroup_size(SUBGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(subgroup_invocation_id) lane: u32) {
    // Tiles advance down the rows first: a driver thread takes consecutive tiles and keeps their part of B in its
    // cache.
    let down = (params.m + ROWS - 1u) / ROWS;
    let tile = group.y * groups.x + group.x;
    let row = tile % down * ROWS;
    let first = tile / down * TILE_COLUMNS;
    let column = first + 4u * lane;
    if (first >= params.n) { return; }

    var sum: array<Band, 8>;
    var total: vec4<f32>;
    var ahead = 0u;
    for (var k = 0u; k < params.k; k += 4u) {
        if (RECENT && !TRANSPOSE_B) { ahead |= read_ahead(k + 4u, first); }
        var share: array<vec4<f32>, 8>;
        for (var h = 0u; h < BANDS; h++) { share[h] = fetch(row + h * SUBGROUP_SIZE, k, lane); }
        let right = block_b(k, column);
        if (COLUMN_SUMS && row == 0u) { total = accumulate(vec4<f32>(1.0), right, total); }
        sum[0] = multiply(share[0], right, sum[0]);
        if (BANDS > 1u) { sum[1] = multiply(share[1], right, sum[1]); }
        if (BANDS > 2u) { sum[2] = multiply(share[2], right, sum[2]); }
        if (BANDS > 3u) { sum[3] = multiply(share[3], right, sum[3]); }
        if (BANDS > 4u) { sum[4] = multiply(share[4], right, sum[4]); }
        if (BANDS > 5u) { sum[5] = multiply(share[5], right, sum[5]); }
        if (BANDS > 6u) { sum[6] = multiply(share[6], right, sum[6]); }
        if (BANDS > 7u) { sum[7] = multiply(share[7], right, sum[7]); }
    }
    if (RECENT && params.k == 0u) { store(row, column, vec4<f32>(f32(ahead))); } // never; keeps the prefetch alive
    if (COLUMN_SUMS && row == 0u) { store_sums(column, total); }
    if (RECENT) {
        for (var h = 0u; h < BANDS; h++) {
            for (var i = 0u; i < SUBGROUP_SIZE; i++) { store(row + h * SUBGROUP_SIZE + i, column, sum[h][i]); }
        }
        return;
    }
    // A loop that no driver can unroll: older ones would spend more time compiling the unrolled stores than everything
    // else.
    var done = sum;
    let end = min(row + ROWS, params.m);
    for (var r = row; r < end; r++) { store(r, column, done[(r - row) / SUBGROUP_SIZE][(r - row) % SUBGROUP_SIZE]); }
}
