//! The metrics of a batch, into a ring that the host reads now and then.

use super::forward::PassOutput;
use super::slots::SetSlots;
use crate::error::Result;
use crate::ops::loss::metrics::{MetricsKernel, MetricsParams};
use crate::ops::word;
use crate::plan::{Plan, SlotId};

/// Records mean loss and number of right answers of the batch that `counters` are of.
pub(super) fn record_metrics(plan: &mut Plan, slots: &SetSlots, counters: SlotId, outcome: PassOutput) -> Result<()> {
    let extents = |slot: SlotId| plan.memory.slot(slot).ty.extents();
    let (output, ring) = (extents(outcome.output), extents(slots.metrics)[0]);
    let params = MetricsParams { m: word(output[0])?, n: word(output[1])?, ring: word(ring)? };
    let bindings = [
        ("logits", outcome.output),
        ("labels", slots.labels),
        ("losses", outcome.losses),
        ("counters", counters),
        ("metrics", slots.metrics),
    ];
    plan.dispatch("metrics", &MetricsKernel, params, &bindings)
}
