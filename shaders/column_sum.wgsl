struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

// One invocation per column: neighbors read adjacent words of each row.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let column = linear_index(group, groups, local.x);
    if (column < params.n) {
        var sum = 0.0;
        for (var row = 0u; row < params.m; row++) {
            sum += a[row * params.n + column];
        }
        out[column] = sum;
    }
}
