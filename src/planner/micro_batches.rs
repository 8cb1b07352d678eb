//! Gradient accumulation over micro-batches, to save memory: each micro-batch runs forward and backward, and one update
//! uses the mean of their gradients over the rows of the batch.
//!
//! The items, their order and the updates are those of the whole batch, but for rounding. What goes by the moments of
//! a batch (batch norm) goes by those of a micro-batch, and dropout draws masks of its own for each.

use super::names::{self, Set, of_set};
use super::slots::name_of;
use crate::error::{Error, Kind, Result};
use crate::ops::batch::micro_batch::{MicroBatchKernel, MicroBatchParams};
use crate::ops::elementwise::copy;
use crate::ops::update::accumulate::{AccumulateKernel, AccumulateParams};
use crate::ops::{counter, word};
use crate::optim::parameter_arena;
use crate::plan::{Arena, Plan, Role, SlotId};
use crate::shape::{DType, Shape};

/// Maximum dispatches for the micro-batches of a step. A software driver failed at 140,000; overhead dominates long
/// before that.
const MOST_DISPATCHES: usize = 1 << 15;

/// How a batch is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicroBatches {
    /// Rows per micro-batch. The last one may have fewer, and in the last batch of an epoch some are empty.
    pub rows: usize,
    /// Micro-batches per batch; 1 if it is not divided.
    pub count: usize,
}

/// Counters and gradients of the batch, and of a micro-batch.
#[derive(Debug)]
pub(super) struct Accumulation {
    counters: SlotId,
    gradients: SlotId,
    pub(super) micro_counters: SlotId,
    pub(super) micro_gradients: Arena,
}

impl Accumulation {
    /// Adds the slots for micro-batches to the plan; `gradients` belong to `tensors`.
    pub(super) fn new(
        plan: &mut Plan,
        counters: SlotId,
        gradients: &Arena,
        tensors: &[(String, Shape)],
    ) -> Result<Self> {
        let (memory, role) = (&mut plan.memory, Role::Transient);
        let micro_counters =
            memory.array(&name_of(Set::Train, of_set::MICRO_COUNTERS), role, DType::U32, [counter::COUNT])?;
        let micro_gradients = parameter_arena(memory, names::MICRO_GRADIENTS, role, tensors)?;
        Ok(Self { counters, gradients: gradients.all, micro_counters, micro_gradients })
    }
}

impl MicroBatches {
    /// Of batches of `batch` out of `samples` items, by at most `rows` rows at a time; whole where that is not given.
    pub fn new(samples: usize, batch: usize, rows: Option<usize>) -> Self {
        let rows = rows.unwrap_or(batch).max(1);
        Self { rows, count: batch.min(samples).div_ceil(rows).max(1) }
    }

    /// The number of valid rows in micro-batch `index` of a batch with `used` valid rows.
    pub fn rows_in(&self, index: usize, used: usize) -> usize {
        used.saturating_sub(index * self.rows).min(self.rows)
    }

    /// Records `pass`, which uses the micro-batch's counters and computes gradients, once per micro-batch, and averages
    /// the gradients.
    ///
    /// # Errors
    /// If that takes too many dispatches.
    pub(super) fn record(
        &self,
        plan: &mut Plan,
        accumulation: &Accumulation,
        pass: impl FnOnce(&mut Plan) -> Result<()>,
    ) -> Result<()> {
        let Accumulation { counters, gradients, micro_counters, .. } = *accumulation;
        let micro_gradients = accumulation.micro_gradients.all;
        let windows = plan.memory.windows(&[micro_gradients, gradients])?;
        let begin = |plan: &mut Plan, index: usize| {
            let params = MicroBatchParams { index: word(index)?, count: word(self.count)?, rows: word(self.rows)? };
            let bindings = [("counters", counters), ("micro_counters", micro_counters)];
            plan.dispatch(format!("micro-batch {}", index + 1), &MicroBatchKernel, params, &bindings)
        };
        begin(plan, 0)?;
        let first = plan.recorded();
        pass(plan)?;
        let pass = first..plan.recorded();
        let dispatches = (pass.len() + 1 + windows.len()).saturating_mul(self.count);
        if dispatches > MOST_DISPATCHES {
            let (rows, count) = (self.rows, self.count);
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "{count} micro-batches of {rows} make {dispatches} dispatches a step, {MOST_DISPATCHES} at most"
                ),
                "give a larger --micro-batch or a smaller --batch-size",
            ));
        }
        copy::record(plan, "begin mean gradient", [micro_gradients, gradients])?;
        for index in 1..self.count {
            begin(plan, index)?;
            plan.repeat(pass.clone())?;
            for window in &windows {
                let bindings = [
                    ("gradient", window.slots[0]),
                    ("counters", counters),
                    ("micro_counters", micro_counters),
                    ("mean", window.slots[1]),
                ];
                let params = AccumulateParams { n: word(window.words())? };
                plan.dispatch(window.label("accumulate gradient"), &AccumulateKernel, params, &bindings)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_divided_without_rest_and_never_beyond_the_items() {
        for (samples, batch, rows, expected) in [
            (1000, 128, None, (128, 1)),
            (1000, 128, Some(128), (128, 1)),
            (1000, 128, Some(32), (32, 4)),
            (1000, 128, Some(50), (50, 3)),
            (100, 128, Some(32), (32, 4)),
            (60, 128, Some(32), (32, 2)),
            (1, 128, Some(1), (1, 1)),
        ] {
            let division = MicroBatches::new(samples, batch, rows);
            assert_eq!((division.rows, division.count), expected, "{samples} {batch} {rows:?}");
            for used in 1..=batch.min(samples) {
                let parts: Vec<_> = (0..division.count).map(|index| division.rows_in(index, used)).collect();
                assert_eq!(parts.iter().sum::<usize>(), used);
                assert!(parts.is_sorted_by(|a, b| a >= b), "{parts:?}");
            }
        }
    }
}
