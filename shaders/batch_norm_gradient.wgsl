struct Params { m: u32, n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n], gradient of batch_norm's output
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
/// [m, n]
@group(0) @binding(2) var<storage, read> a: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read> weight: array<f32>;
/// [2, n], from batch_norm
@group(0) @binding(4) var<storage, read> statistics: array<f32>;
/// [4]
@group(0) @binding(5) var<storage, read> counters: array<u32>;
/// [m, n], zero in invalid rows
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
/// [n]
@group(0) @binding(7) var<storage, read_write> weight_gradient: array<f32>;
/// [n]
@group(0) @binding(8) var<storage, read_write> bias_gradient: array<f32>;

// One invocation per column, summing rows in order. The sums needed for the input gradient are the weight and bias
// gradients.
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
    let rows = min(counters[ROWS], params.m);
    let mean = statistics[column];
    let reciprocal = statistics[params.n + column];
    var product_sum = 0.0;
    var sum = 0.0;
    for (var row = 0u; row < rows; row++) {
        let i = row * params.n + column;
        product_sum += gradient[i] * ((a[i] - mean) * reciprocal);
        sum += gradient[i];
    }
    weight_gradient[column] = product_sum;
    bias_gradient[column] = sum;
    let product_mean = product_sum / f32(rows);
    let g_mean = sum / f32(rows);
    let scale = weight[column] * reciprocal;
    for (var row = 0u; row < rows; row++) {
        let i = row * params.n + column;
        let normalized = (a[i] - mean) * reciprocal;
        out[i] = scale * (gradient[i] - g_mean - normalized * product_mean);
    }
    for (var row = rows; row < params.m; row++) {
        out[row * params.n + column] = 0.0;
    }
}
