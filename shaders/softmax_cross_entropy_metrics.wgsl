struct Params { m: u32, n: u32, ring: u32 }
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
/// [ring, 2], partly written: the mean loss and the number of correct predictions of step s in row (s - 1) % ring
@group(0) @binding(6) var<storage, read_write> metrics: array<f32>;
/// [4], a copy of the counters for the next step
@group(0) @binding(7) var<storage, read_write> last_counters: array<u32>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_id) id: vec3<u32>) {
    let local = id.x;
    var loss = 0.0;
    var right = 0u;
    for (var row = local; row < params.m; row += LANES) {
        let row_loss = softmax_cross_entropy_row(row);
        losses[row] = row_loss;
        loss += row_loss;
        right += right_answer(row);
    }
    record_metrics(local, loss, right);
    if (local < 4u) {
        last_counters[local] = counters[local];
    }
}
