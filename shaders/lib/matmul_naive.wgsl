@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * 256u + local;
    if (i >= params.m * params.n) { return; }
    let row = i / params.n;
    let column = i % params.n;
    var sum = 0.0;
    for (var kk = 0u; kk < params.k; kk++) {
        let ai = select(row * params.k + kk, kk * params.m + row, TRANSPOSE_A);
        let bi = select(kk * params.n + column, column * params.k + kk, TRANSPOSE_B);
        sum = fma(a[ai], b[bi], sum);
    }
    out[i] = epilogue(row, column, sum);
}
