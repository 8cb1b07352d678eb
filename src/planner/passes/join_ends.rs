//! Both ends of a step in one dispatch each: counters with the gathering of the batch, and the loss with its metrics.
//!
//! A dispatch of its own for a handful of numbers costs more than the numbers do. The counters of the step are written
//! at its beginning, from those that its loss has left for the next one, so that no dispatch reads what it writes.

use crate::error::Result;
use crate::kernel::Kernel;
use crate::ops::batch::begin_batch::{BeginBatchKernel, BeginBatchParams};
use crate::ops::batch::gather::{GatherKernel, GatherParams};
use crate::ops::batch::step_state::{StepStateKernel, StepStateParams};
use crate::ops::counter;
use crate::ops::loss::metrics::{MetricsKernel, MetricsParams};
use crate::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyKernel;
use crate::ops::loss::softmax_cross_entropy_metrics::{
    SoftmaxCrossEntropyMetricsKernel, SoftmaxCrossEntropyMetricsParams,
};
use crate::plan::{Dispatch, Plan, Role};
use crate::planner::names::{Set, of_set};
use crate::planner::slots::name_of;
use crate::shape::DType;

/// Maximum logits per batch that a single workgroup can process without delaying the step.
const MOST_LOGITS: u64 = 1 << 14;

/// The dispatches to be joined, each by its number in the section begun last.
struct Ends {
    step: usize,
    gather: usize,
    loss: usize,
    metrics: usize,
}

/// Joins the ends of the section begun last, where there are kernels for it and the batch is small enough.
pub(in crate::planner) fn join_ends(plan: &mut Plan) -> Result<()> {
    let Some(section) = plan.sections.last() else { return Ok(()) };
    let Some(ends) = find(&section.dispatches) else { return Ok(()) };
    let at = |number: usize| section.dispatches[number].clone();
    let [step, gather, loss, metrics] = [ends.step, ends.gather, ends.loss, ends.metrics].map(at);
    let name = name_of(Set::Train, of_set::LAST_COUNTERS);
    let last_counters = plan.memory.array(&name, Role::Carried, DType::U32, [counter::COUNT])?;
    let params = BeginBatchParams::new(read(&step), read::<GatherParams>(&gather));
    let bindings: Vec<_> = gather.bindings().map(|(binding, slot)| (binding.name.as_str(), slot)).collect();
    let rates = step.bindings().filter(|(binding, _)| binding.name == "rates").map(|(_, slot)| ("rates", slot));
    let bindings: Vec<_> = bindings.into_iter().chain(rates).chain([("last_counters", last_counters)]).collect();
    plan.dispatch(gather.label.clone(), &BeginBatchKernel, params, &bindings)?;
    plan.replace_with_last(ends.step);
    let MetricsParams { m, n, ring } = read(&metrics);
    let own = loss.bindings().map(|(binding, slot)| (binding.name.as_str(), slot));
    let ring_slot = metrics.slot("metrics").map(|slot| ("metrics", slot));
    let bindings: Vec<_> = own.chain(ring_slot).chain([("last_counters", last_counters)]).collect();
    let params = SoftmaxCrossEntropyMetricsParams { m, n, ring };
    plan.dispatch(loss.label.clone(), &SoftmaxCrossEntropyMetricsKernel, params, &bindings)?;
    plan.replace_with_last(ends.loss);
    plan.remove(&[ends.gather, ends.metrics]);
    Ok(())
}

/// The ends of a step over one whole batch, of the plain loss.
fn find(dispatches: &[Dispatch]) -> Option<Ends> {
    let only = |name: &str| {
        let mut found = dispatches.iter().enumerate().filter(|(_, dispatch)| dispatch.kernel.name() == name);
        found.next().filter(|_| found.next().is_none()).map(|(number, _)| number)
    };
    let (step, gather) = (only(Kernel::name(&StepStateKernel))?, only(Kernel::name(&GatherKernel))?);
    let (loss, metrics) = (only(Kernel::name(&SoftmaxCrossEntropyKernel))?, only(Kernel::name(&MetricsKernel))?);
    let [of_step, of_gather]: [&Dispatch; 2] = [&dispatches[step], &dispatches[gather]];
    let StepStateParams { batch, .. } = read(of_step);
    let MetricsParams { m, n, .. } = read(&dispatches[metrics]);
    let whole =
        read::<GatherParams>(of_gather).batch == batch && of_step.slot("counters") == of_gather.slot("counters");
    (whole && u64::from(m) * u64::from(n) <= MOST_LOGITS).then_some(Ends { step, gather, loss, metrics })
}

/// The parameters of a dispatch, whose kernel takes such.
fn read<P: bytemuck::Pod>(dispatch: &Dispatch) -> P {
    bytemuck::pod_read_unaligned(&dispatch.params)
}
