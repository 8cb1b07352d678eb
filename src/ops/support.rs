//! Shared by the ops: counters and rates, WGSL snippets, error bounds, test sizes.

use crate::error::{Error, Kind, Result};
use crate::kernel::{Effort, Inputs, Real, edge_sizes};
use crate::plan::{Memory, Plan, SlotId};
use crate::random::Random;
use crate::shape::TensorType;
use rayon::prelude::*;

/// Indices into `counters`: the step, and the rows of the data set it uses.
pub mod counter {
    crate::shared! {
        /// WGSL declarations of these.
        pub(in crate::ops) WGSL:
        /// Steps started.
        pub STEP: usize = 0;
        /// Complete passes over the data before this step.
        pub EPOCH: usize = 1;
        /// Start of this step's batch in the epoch's order.
        pub POSITION: usize = 2;
        /// Valid rows of the batch; fewer than its size at the end of an epoch.
        pub ROWS: usize = 3;
    }
    /// Number of counters.
    pub const COUNT: usize = 4;
}

/// Indices into `rates`.
pub mod rate {
    crate::shared! {
        /// WGSL declarations of these.
        pub(in crate::ops) WGSL:
        /// The learning rate.
        pub LEARNING_RATE: usize = 0;
        /// 1 - beta1^t.
        pub CORRECTION1: usize = 1;
        /// 1 - beta2^t.
        pub CORRECTION2: usize = 2;
    }
    /// Number of rates.
    pub const COUNT: usize = 3;
}

crate::shared! {
    /// WGSL declaration of [`IGNORE_INDEX`].
    pub(in crate::ops) LABELS:
    /// The label of an invalid row.
    pub IGNORE_INDEX: u32 = 0xffff_ffff;
}

pub(in crate::ops) use crate::kernel::{LINEAR, linear_groups};
pub(in crate::ops) const COUNTERS: &str = counter::WGSL;
pub(in crate::ops) const RATES: &str = rate::WGSL;
pub(in crate::ops) const BITS: &str = include_str!("../../shaders/lib/bits.wgsl");
pub(in crate::ops) const STREAMS: &str = crate::random::stream::WGSL;
pub(in crate::ops) const RANDOM: &str = include_str!("../../shaders/lib/random.wgsl");
pub(in crate::ops) const WORKGROUP_SUM: &str = include_str!("../../shaders/lib/workgroup_sum.wgsl");

/// u in error bounds: WGSL does not specify a rounding mode, so a rounding may cost a full ULP.
pub(in crate::ops) const UNIT: f64 = 1.0 / 8_388_608.0;

/// g_k = k u / (1 - k u), the relative error of k roundings: Higham, "Accuracy and Stability of Numerical Algorithms",
/// 2nd ed., section 3.1.
pub(in crate::ops) fn roundings(k: usize) -> f64 {
    let ku = k as f64 * UNIT;
    ku / (1.0 - ku)
}

/// Calls `f(row, out_row)` for each row of `out[rows, n]`, in parallel if there is enough work.
pub(in crate::ops) fn each_row<T: Real>(out: &mut [T], n: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() < 1 << 15 {
        out.chunks_exact_mut(n).enumerate().for_each(|(row, out)| f(row, out));
    } else {
        let rows = (4096 / n).max(1); // enough work per task to be worth scheduling
        let task = |(task, out): (usize, &mut [T])| {
            out.chunks_exact_mut(n).enumerate().for_each(|(i, out)| f(task * rows + i, out));
        };
        out.par_chunks_mut(rows * n).enumerate().for_each(task);
    }
}

/// Pairs of edge sizes and some random ones up to a few thousand, for kernels over rows and columns.
pub(in crate::ops) fn row_sizes(effort: Effort) -> Vec<[u32; 2]> {
    let mut random = effort.random();
    let edges = edge_sizes();
    let mut sizes: Vec<[u32; 2]> = if effort.is_full() {
        edges.iter().flat_map(|&m| edges.map(|n| [m, n])).collect()
    } else {
        edges.iter().zip(edges.iter().rev()).map(|(&m, &n)| [m, n]).collect()
    };
    sizes.extend((0..effort.count(12, 2000)).map(|_| [1 + random.below(300), 1 + random.below(300)]));
    sizes.extend([[1, 1023], [1025, 1], [256, 3], [257, 10], [128, 1024]]);
    sizes
}

/// Lengths for elementwise kernels: edge sizes, sizes around a workgroup, and random ones.
pub(in crate::ops) fn flat_sizes(effort: Effort) -> Vec<u32> {
    let mut random = effort.random();
    let mut sizes = edge_sizes().to_vec();
    sizes.extend([255, 256, 257, 1023, 1025, 4095, 100_001]);
    sizes.extend((0..effort.count(12, 2000)).map(|_| 1 + random.below(20_000)));
    sizes
}

/// Alternates between the kinds of input that suit every op: random values and small integers.
pub(in crate::ops) fn alternate(index: usize) -> Inputs {
    if index.is_multiple_of(2) { Inputs::Random } else { Inputs::Integers }
}

/// The bits of f32 values, the format of case inputs.
pub(in crate::ops) fn bits(numbers: impl Iterator<Item = f32>) -> Vec<u32> {
    numbers.map(f32::to_bits).collect()
}

/// Values from tiny to huge, and zeros.
pub(in crate::ops) fn wide_range(count: usize, random: &mut Random) -> Vec<u32> {
    let mut number = || random.normal() as f32 * 10f32.powi(random.below(24) as i32 - 12);
    bits((0..count).map(|i| if i % 5 == 0 { 0.0 } else { number() }))
}

/// `counters` at some step of an epoch over `samples` in batches of `batch`; often the last one.
pub(in crate::ops) fn some_counters(samples: u32, batch: u32, random: &mut Random) -> Vec<u32> {
    let steps = samples.div_ceil(batch);
    let step = if random.below(3) == 0 { steps - 1 } else { random.below(steps) };
    vec![1 + step + 3 * steps, 3, step * batch, batch.min(samples - step * batch)]
}

/// Converts a size to the type shaders use.
///
/// # Errors
/// If it does not fit 32 bits.
pub fn word(size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| {
        Error::new(
            Kind::Device,
            format!("a size of {size} does not fit the 32-bit indices of a device"),
            "use a smaller model, batch or data set",
        )
    })
}

/// The extents of a matrix slot.
pub(in crate::ops) fn rows_and_columns(memory: &Memory, slot: SlotId) -> Result<[u32; 2]> {
    match memory.slot(slot).ty.extents() {
        &[m, n] => Ok([word(m)?, word(n)?]),
        _ => Err(crate::graph::mistake(format!("{} is not a matrix", memory.slot(slot).name))),
    }
}

/// Output shapes of a loss for logits `[m, n]`, labels `[m]` and counters: losses `[m]`, and as output 1 the gradient
/// of their mean with respect to the logits.
pub(in crate::ops) fn loss_outputs(inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
    match (inputs[0].extents(), inputs[1].extents()) {
        (&[m, _], &[rows]) if m == rows => Ok(vec![TensorType::f32([m]), inputs[0].clone()]),
        _ => Err(crate::graph::mistake(format!("a loss of logits {} and labels {}", inputs[0], inputs[1]))),
    }
}

/// The bindings common to all losses.
pub(in crate::ops) fn loss_bindings(inputs: &[SlotId], outputs: &[SlotId]) -> [(&'static str, SlotId); 5] {
    let [logits, labels, counters] = [inputs[0], inputs[1], inputs[2]];
    let named = [("logits", logits), ("labels", labels), ("counters", counters)];
    [named[0], named[1], named[2], ("losses", outputs[0]), ("gradient", outputs[1])]
}

/// Views of slots of equal size as flat arrays, and that size.
pub(in crate::ops) fn flat<const N: usize>(plan: &mut Plan, slots: [SlotId; N]) -> Result<([SlotId; N], u32)> {
    let mut views = slots;
    let mut elements = 0;
    for view in &mut views {
        let slot = plan.memory.slot(*view);
        elements = slot.words;
        if slot.ty.extents().len() != 1 {
            let name = slot.name.clone();
            *view = plan.memory.view(*view, &name, [elements])?;
        }
    }
    Ok((views, word(elements)?))
}
