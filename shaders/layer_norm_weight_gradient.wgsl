struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n], gradient of layer_norm's output
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
/// [m, n]
@group(0) @binding(2) var<storage, read> a: array<f32>;
/// [m, 2], from layer_norm
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
/// [n]
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<f32>;
/// [n]
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<f32>;

// One invocation per column, summing rows in order.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let column = linear_index(group, groups, local.x);
    if (column >= params.n) {
        return;
    }
    var product_sum = 0.0;
    var sum = 0.0;
    for (var row = 0u; row < params.m; row++) {
        let i = row * params.n + column;
        let normalized = (a[i] - statistics[2u * row]) * statistics[2u * row + 1u];
        product_sum += gradient[i] * normalized;
        sum += gradient[i];
    }
    weight_gradient[column] = product_sum;
    bias_gradient[column] = sum;
}
