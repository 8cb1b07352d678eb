struct Params {
    n: u32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    decayed: u32,
    decay: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
/// [3]
@group(0) @binding(2) var<storage, read> rates: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read_write> weight: array<vec4<f32>>;
/// [n]
@group(0) @binding(4) var<storage, read_write> momentum: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i >= params.n / 4u) {
        return;
    }
    let g = gradient[i];
    let m = momentum[i];
    var w = weight[i];
    if (4u * i < params.decayed) {
        w -= rates[LEARNING_RATE] * params.decay * w;
    }
    let direction = params.beta1 * m + params.one_minus_beta1 * g;
    weight[i] = w - rates[LEARNING_RATE] * sign(direction);
    momentum[i] = params.beta2 * m + params.one_minus_beta2 * g;
}
