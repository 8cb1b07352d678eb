struct Params { parts: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [parts], at most 256
@group(0) @binding(1) var<storage, read> squares: array<f32>;
/// [1]
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;

// One workgroup, one invocation per part.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    let local = id.x;
    var square = 0.0;
    if (local < params.parts) {
        square = squares[local];
    }
    let sum = workgroup_sum(square, local);
    if (local == 0u) {
        norm[0] = sqrt(sum);
    }
}
