struct Params {
    samples: u32,
    features: u32,
    batch: u32,
    shuffle: u32,
    seed_low: u32,
    seed_high: u32,
    learning_rate: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
/// [samples, features] u8
@group(0) @binding(1) var<storage, read> items: array<u32>;
/// [samples] u8
@group(0) @binding(2) var<storage, read> classes: array<u32>;
/// [4], of the previous step
@group(0) @binding(3) var<storage, read> last_counters: array<u32>;
/// [2]: the mean to subtract, then the factor to multiply by
@group(0) @binding(4) var<storage, read> normalization: array<f32>;
/// [4]
@group(0) @binding(5) var<storage, read_write> counters: array<u32>;
/// [3]
@group(0) @binding(6) var<storage, read_write> rates: array<f32>;
/// [batch, features], elements in [0, 1], normalized; zero in invalid rows
@group(0) @binding(7) var<storage, read_write> inputs: array<f32>;
/// [batch], IGNORE_INDEX in invalid rows
@group(0) @binding(8) var<storage, read_write> labels: array<u32>;

// One workgroup per row. Each computes the counters itself, since none may read another's writes; the first stores
// them.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let local = id.x;
    let row = group.y * groups.x + group.x;
    if (row >= params.batch) {
        return;
    }
    let last = vec4(last_counters[STEP], last_counters[EPOCH], last_counters[POSITION], last_counters[ROWS]);
    let next = next_counters(last);
    if (row == 0u && local == 0u) {
        for (var i = 0u; i < 4u; i++) {
            counters[i] = next[i];
        }
        begin_rates();
    }
    gather_row(row, local, next);
}
