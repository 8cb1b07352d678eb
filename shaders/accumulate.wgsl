struct Params { n: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n], of vec4: n is a multiple of 4
@group(0) @binding(1) var<storage, read> gradient: array<vec4<f32>>;
/// [4], of the whole batch
@group(0) @binding(2) var<storage, read> counters: array<u32>;
/// [4], of the micro-batch that produced the gradient
@group(0) @binding(3) var<storage, read> micro_counters: array<u32>;
/// [n]
@group(0) @binding(4) var<storage, read_write> mean: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = linear_index(group, groups, local.x);
    if (i >= params.n / 4u || micro_counters[ROWS] == 0u) {
        return;
    }
    let rows = micro_counters[POSITION] - counters[POSITION] + micro_counters[ROWS];
    let share = f32(micro_counters[ROWS]) / f32(rows);
    mean[i] += share * (gradient[i] - mean[i]);
}
