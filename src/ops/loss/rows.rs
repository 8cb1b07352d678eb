//! Shared by losses: the rows of a batch, some of them invalid.

use crate::kernel::{Inputs, Real, Values};
use crate::ops::elementwise::softmax::extreme_logits;
use crate::ops::support::{IGNORE_INDEX, counter};
use crate::random::Random;
use rayon::prelude::*;

/// Twin of the frame common to all losses: calls `f(logits, label, gradient)` for each valid row to get its loss;
/// invalid rows become zero, and rows with non-finite logits NaN.
pub(in crate::ops) fn each_loss<T: Real>(
    (logits, labels): (&[T], &[u32]),
    (losses, gradient): (&mut [T], &mut [T]),
    f: impl Fn(&[T], usize, &mut [T]) -> T + Sync,
) {
    let n = logits.len() / labels.len();
    let rows = losses.par_iter_mut().zip(gradient.par_chunks_exact_mut(n)).enumerate();
    // Enough work per task to be worth scheduling.
    rows.with_min_len((4096 / n).max(1)).for_each(|(row, (loss, gradient))| {
        let (logits, label) = (&logits[row * n..][..n], labels[row] as usize);
        if label >= n {
            *loss = T::zero();
            gradient.fill(T::zero());
        } else if logits.iter().any(|z| !z.is_finite()) {
            *loss = T::nan();
            gradient.fill(T::nan());
        } else {
            *loss = f(logits, label, gradient);
        }
    });
}

/// `labels` and `counters` of a batch whose last quarter is invalid, as at the end of an epoch; and `logits` for
/// extreme cases, some of them non-finite.
pub(in crate::ops) fn fill_batch(
    [m, n]: [u32; 2],
    inputs: Inputs,
    binding: &str,
    elements: usize,
    random: &mut Random,
) -> Option<Vec<u32>> {
    let used = m - m / 4;
    match binding {
        "labels" => Some((0..m).map(|row| if row < used { random.below(n) } else { IGNORE_INDEX }).collect()),
        "counters" => Some(vec![7, 0, 0, used]),
        "logits" if inputs == Inputs::Extreme => {
            let mut logits = extreme_logits(n, elements, random);
            let broken = [0x7fc0_0001, f32::INFINITY.to_bits(), f32::NEG_INFINITY.to_bits()]; // the first is NaN
            for row in logits.chunks_exact_mut(n as usize) {
                if random.below(4) == 0 {
                    let place = [0, row.len() / 2, row.len() - 1][random.below(3) as usize];
                    row[place] = broken[random.below(3) as usize];
                }
            }
            Some(logits)
        }
        _ => None,
    }
}

/// The `labels` of a case, and the divisor of its gradients: the number of valid rows, at least 1.
pub(in crate::ops) fn labels_and_rows(values: &Values) -> (&[u32], f64) {
    (values.words("labels"), values.words("counters")[counter::ROWS].max(1).into())
}
