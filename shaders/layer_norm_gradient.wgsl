struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n], gradient of layer_norm's output
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
/// [m, n]
@group(0) @binding(2) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read> weight: array<f32>;
/// [m, 2], from layer_norm
@group(0) @binding(4) var<storage, read> statistics: array<f32>;
/// [m, n]
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// One invocation per row.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = linear_index(group, groups, local.x);
    if (row >= params.m) {
        return;
    }
    let start = row * params.n;
    let mean = statistics[2u * row];
    let reciprocal = statistics[2u * row + 1u];
    var sum = 0.0;
    var product_sum = 0.0;
    for (var j = 0u; j < params.n; j++) {
        let g = gradient[start + j] * weight[j];
        sum += g;
        product_sum += g * ((a[start + j] - mean) * reciprocal);
    }
    let g_mean = sum / f32(params.n);
    let product_mean = product_sum / f32(params.n);
    for (var j = 0u; j < params.n; j++) {
        let g = gradient[start + j] * weight[j];
        let normalized = (a[start + j] - mean) * reciprocal;
        out[start + j] = reciprocal * (g - g_mean - normalized * product_mean);
    }
}
