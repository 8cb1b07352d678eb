// One workgroup per batch: invocation i takes rows i, i + LANES and so on.
var<workgroup> loss_sums: array<f32, LANES>;
var<workgroup> right_sums: array<u32, LANES>;

// 1 if the first class with the largest logit is the label, else 0.
fn right_answer(row: u32) -> u32 {
    let start = row * params.n;
    var best = 0u;
    for (var j = 1u; j < params.n; j++) {
        if (logits[start + j] > logits[start + best]) {
            best = j;
        }
    }
    return select(0u, 1u, best == labels[row]);
}

// Writes this step's ring entry from each invocation's sums; the first adds up all 64 in a fixed order.
fn record_metrics(local: u32, own_loss: f32, own_right: u32) {
    loss_sums[local] = own_loss;
    right_sums[local] = own_right;
    workgroupBarrier();
    if (local == 0u) {
        var loss = own_loss;
        var right = own_right;
        for (var i = 1u; i < LANES; i++) {
            loss += loss_sums[i];
            right += right_sums[i];
        }
        let entry = (counters[STEP] - 1u) % params.ring;
        metrics[2u * entry] = loss / f32(max(counters[ROWS], 1u));
        metrics[2u * entry + 1u] = f32(right);
    }
}
