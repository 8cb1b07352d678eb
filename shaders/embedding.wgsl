struct Params { m: u32, n: u32, entries: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [entries, n]
@group(0) @binding(1) var<storage, read> table: array<f32>;
/// [m]
@group(0) @binding(2) var<storage, read> index: array<u32>;
/// [m, n], zero in rows whose index is out of range
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i >= params.m * params.n) {
        return;
    }
    let entry = index[i / params.n];
    var value = 0.0;
    if (entry < params.entries) {
        value = table[entry * params.n + i % params.n];
    }
    out[i] = value;
}
