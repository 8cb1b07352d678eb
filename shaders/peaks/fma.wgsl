// Multiply-adds only, in eight independent chains: enough to fill a pipeline, few enough for a CPU's registers. With
// factor and term 1, each output is exactly the number of multiply-adds executed.

struct Params { n: u32, rounds: u32, factor: f32, term: f32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [n]
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

// Four multiply-adds in each of four chains.
fn advance(x: vec4<Number>, factor: vec4<Number>, term: vec4<Number>) -> vec4<Number> {
    return fma(fma(fma(fma(x, factor, term), factor, term), factor, term), factor, term);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let i = linear_index(group, groups, local);
    let factor = vec4<Number>(Number(params.factor));
    let term = vec4<Number>(Number(params.term));
    let back = term * Number(STEPS);
    // Identical chains would be computed once.
    var x = vec4<Number>(0.0, 1.0, 2.0, 3.0) + Number(local % 4u);
    var y = x + 4.0;
    var total = 0.0;
    for (var round = 0u; round < params.rounds; round++) {
        for (var step = 0u; step < STEPS; step += 16u) {
            x = advance(advance(advance(advance(x, factor, term), factor, term), factor, term), factor, term);
            y = advance(advance(advance(advance(y, factor, term), factor, term), factor, term), factor, term);
        }
        total += f32(dot(x + y, vec4<Number>(1.0)));
        // f16 counts only to 2048.
        x -= back;
        y -= back;
    }
    if (i < params.n) {
        out[i] = total;
    }
}
