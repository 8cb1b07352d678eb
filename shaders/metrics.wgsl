struct Params { m: u32, n: u32, ring: u32 }
@group(0) @binding(0) var<uniform> params: Params;
/// [m, n]
@group(0) @binding(1) var<storage, read> logits: array<f32>;
/// [m]
@group(0) @binding(2) var<storage, read> labels: array<u32>;
/// [m]
@group(0) @binding(3) var<storage, read> losses: array<f32>;
/// [4]
@group(0) @binding(4) var<storage, read> counters: array<u32>;
/// [ring, 2], partly written: the mean loss and the number of right answers of step s in row (s - 1) % ring
@group(0) @binding(5) var<storage, read_write> metrics: array<f32>;

const LANES = 64u;
var<workgroup> loss_sums: array<f32, LANES>;
var<workgroup> right_sums: array<u32, LANES>;

// One workgroup. Each invocation takes every 64th row, and the first adds up the 64 sums: a fixed order.
@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) local: u32) {
    var loss = 0.0;
    var right = 0u;
    for (var row = local; row < params.m; row += LANES) {
        loss += losses[row];
        let start = row * params.n;
        var best = 0u;
        for (var j = 1u; j < params.n; j++) {
            if (logits[start + j] > logits[start + best]) {
                best = j;
            }
        }
        right += select(0u, 1u, best == labels[row]);
    }
    loss_sums[local] = loss;
    right_sums[local] = right;
    workgroupBarrier();
    if (local == 0u) {
        for (var i = 1u; i < LANES; i++) {
            loss += loss_sums[i];
            right += right_sums[i];
        }
        let entry = (counters[STEP] - 1u) % params.ring;
        metrics[2u * entry] = loss / f32(max(counters[ROWS], 1u));
        metrics[2u * entry + 1u] = f32(right);
    }
}
