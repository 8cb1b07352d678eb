// For GPUs, when `out` is too small to fill the device and k is long: a workgroup computes only 4 x 4 elements of
// `out`; its THREADS invocations (a power of two) split k, and their sums are reduced as a tree.

var<workgroup> partial: array<mat4x4<f32>, THREADS>;
var<workgroup> partial_total: array<vec4<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_id) id: vec3<u32>) {
    let index = id.x;
    let across = (params.n + 3u) / 4u;
    let tile = group.y * groups.x + group.x;
    let row = tile / across * 4u;
    let column = tile % across * 4u;
    if (row >= params.m) { return; } // uniform over the workgroup, as the barriers below require

    var sum: mat4x4<f32>; // each column is a row of `out`
    var total: vec4<f32>;
    for (var k = 4u * index; k < params.k; k += 4u * THREADS) {
        let x = block_a(row, k);
        let y = block_b(k, column);
        for (var i = 0u; i < 4u; i++) { sum[i] = accumulate(x[i], y, sum[i]); }
        if (COLUMN_SUMS) { total = accumulate(vec4<f32>(1.0), y, total); }
    }
    partial[index] = sum;
    if (COLUMN_SUMS) { partial_total[index] = total; }
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (index < half) {
            partial[index] += partial[index + half];
            if (COLUMN_SUMS) { partial_total[index] += partial_total[index + half]; }
        }
    }
    workgroupBarrier();
    if (index < 4u) { store(row + index, column, partial[0][index]); }
    if (COLUMN_SUMS && row == 0u && index == 0u) { store_sums(column, partial_total[0]); }
}
