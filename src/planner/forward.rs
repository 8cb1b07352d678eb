//! The graph of a pass through a model, its loss and gradients, and how it is recorded.

use super::names::Set;
use super::slots::{ModelSlots, SetSlots};
use crate::error::Result;
use crate::graph::{Choices, Graph, Pool, Value, mistake};
use crate::nn::loss::TargetValues;
use crate::nn::{LossConfig, Model, PassMode};
use crate::ops::elementwise::add::AddOp;
use crate::plan::{Arena, Memory, Plan, SlotId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A pass from the rows of a batch to the loss of each.
pub(super) struct Forward {
    graph: Graph,
    parameters: Vec<Value>,
    output: Value,
    losses: Value,
}

/// Where the outcome of a pass lies until its section ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassOutput {
    /// What the last layer gives, `[batch, outputs]`.
    pub(super) output: SlotId,
    /// The loss of each row, `[batch]`.
    pub(super) losses: SlotId,
}

/// The layers of a model, one after another; gives what the last one makes, and the parameters.
pub(super) fn layers(
    graph: &mut Graph,
    memory: &mut Memory,
    (model, slots): (&Model, &ModelSlots),
    (mode, counters): (PassMode, SlotId),
    inputs: &[SlotId],
) -> Result<(Value, Vec<Value>)> {
    let names = model.signature().inputs.iter().map(|(name, _)| name.clone());
    let inputs: BTreeMap<_, _> =
        names.zip(inputs).map(|(name, &slot)| (name, graph.leaf(memory, slot).into())).collect();
    let counters = graph.leaf(memory, counters);
    let (output, parameters) = model.forward(graph, memory, (mode, counters, inputs), slots.owned())?;
    Ok((output.value, parameters))
}

impl Forward {
    /// The layers of a model and its loss, over the batch in `slots`, by these `counters`.
    pub(super) fn new(
        memory: &mut Memory,
        (model, owned): (&Model, &ModelSlots),
        slots: &SetSlots,
        (mode, counters): (PassMode, SlotId),
    ) -> Result<Self> {
        let mut graph = Graph::default();
        let (output, parameters) = layers(&mut graph, memory, (model, owned), (mode, counters), &[slots.inputs])?;
        graph.scope("loss");
        let [labels, counters] = [slots.labels, counters].map(|slot| graph.leaf(memory, slot));
        let class_weights = owned.class_weights.map(|slot| graph.leaf(memory, slot));
        let LossConfig { loss, label_smoothing, .. } = model.config().loss;
        let targets = TargetValues { labels, counters, class_weights, label_smoothing };
        let losses = loss.apply(&mut graph, output, &targets)?;
        Ok(Self { graph, parameters, output, losses })
    }

    /// Records the pass forward.
    pub(super) fn record(self, plan: &mut Plan, pool: &mut Pool, set: Set) -> Result<PassOutput> {
        self.lower(plan, pool, set, &[], &[])
    }

    /// Records the pass forward, and backward to the gradients of all parameters of the mean loss.
    pub(super) fn record_with_gradients(
        mut self,
        plan: &mut Plan,
        pool: &mut Pool,
        set: Set,
        gradients: &Arena,
    ) -> Result<PassOutput> {
        let seeds = self.graph.seeds(self.losses)?;
        let derived = self.graph.gradients(&seeds, &self.parameters, Arc::new(AddOp))?;
        let unused = |tensor: SlotId| {
            mistake(format!("{}: the parameter has no effect on the loss", plan.memory.slot(tensor).name))
        };
        let derived = derived.into_iter().zip(&gradients.tensors);
        let derived =
            derived.map(|(value, &tensor)| value.ok_or_else(|| unused(tensor))).collect::<Result<Vec<_>>>()?;
        self.lower(plan, pool, set, &derived, &gradients.tensors)
    }

    /// Lowers the graph, storing `derived` values into `stores`.
    fn lower(
        self,
        plan: &mut Plan,
        pool: &mut Pool,
        set: Set,
        derived: &[Value],
        stores: &[SlotId],
    ) -> Result<PassOutput> {
        let roots: Vec<Value> = [self.output, self.losses].iter().chain(derived).copied().collect();
        let (graph, roots) = self.graph.simplify(&roots);
        let stores: Vec<(Value, SlotId)> = roots[2..].iter().copied().zip(stores.iter().copied()).collect();
        let lowered = graph.lower(plan, pool, set.name(), &stores, &roots[..2], &Choices::default())?;
        let slot = |value: Value| {
            lowered.slot(value).ok_or_else(|| mistake(format!("the outcome of {} was not lowered", set.name())))
        };
        Ok(PassOutput { output: slot(roots[0])?, losses: slot(roots[1])? })
    }
}
