struct Params { m: u32, n: u32, entries: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n], gradient of embedding's output
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
/// [m]
@group(0) @binding(2) var<storage, read> index: array<u32>;
/// [entries, n]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// One invocation per table element, summing the rows that used its entry in order.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i >= params.entries * params.n) {
        return;
    }
    let entry = i / params.n;
    let column = i % params.n;
    var sum = 0.0;
    for (var row = 0u; row < params.m; row++) {
        if (index[row] == entry) {
            sum += gradient[row * params.n + column];
        }
    }
    out[i] = sum;
}
