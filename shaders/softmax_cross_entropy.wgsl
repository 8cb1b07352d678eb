struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
/// [m], below n, or IGNORE_INDEX for an invalid row
@group(0) @binding(2) var<storage, read> labels: array<u32>;
/// [4]
@group(0) @binding(3) var<storage, read> counters: array<u32>;
/// [m], zero in invalid rows
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;
/// [m, n], of the mean loss over the valid rows
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;

// One invocation per row.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = linear_index(group, groups, local.x);
    if (row < params.m) {
        losses[row] = softmax_cross_entropy_row(row);
    }
}
