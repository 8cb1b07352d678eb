struct Params { n: u32, alpha: f32, one_minus_alpha: f32, epsilon: f32, decayed: u32, decay: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
/// [3]
@group(0) @binding(2) var<storage, read> rates: array<f32>;
/// [n]
@group(0) @binding(3) var<storage, read_write> weight: array<vec4<f32>>;
/// [n]
@group(0) @binding(4) var<storage, read_write> mean_square: array<vec4<f32>>;

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
    let w = weight[i];
    var g = gradient[i];
    if (4u * i < params.decayed) {
        g += params.decay * w;
    }
    let v = params.alpha * mean_square[i] + params.one_minus_alpha * (g * g);
    mean_square[i] = v;
    weight[i] = w - rates[LEARNING_RATE] * g / (sqrt(v) + params.epsilon);
}
