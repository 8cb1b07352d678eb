//! Plans of inference: rows in, the outputs of the model out.

use super::forward::layers;
use super::names::{Phase, of_inference};
use super::slots::{ModelSlots, find};
use crate::error::Result;
use crate::graph::{Choices, Graph, Pool};
use crate::kernel::Caps;
use crate::nn::{Model, PassMode};
use crate::ops::counter;
use crate::ops::elementwise::softmax::SoftmaxOp;
use crate::plan::{Memory, Plan, Role, SlotId};
use crate::shape::{DType, Shape, TensorType};

/// A plan that infers, with handles to its slots.
#[derive(Clone)]
pub struct InferencePlan {
    /// The plan: a section [`Phase::Infer`] for each batch size, all over one set of weights.
    pub plan: Plan,
    /// What the model owns.
    pub model: ModelSlots,
    /// What each batch size works on, the smallest first.
    pub batches: Vec<InferenceSlots>,
}

/// What an inference of one batch size works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferenceSlots {
    /// Rows of the batch.
    pub rows: usize,
    /// The rows of each input, as the first layer takes them, in the order of [`crate::nn::Signature::inputs`].
    pub inputs: Vec<SlotId>,
    /// See [`crate::ops::counter`]: how many rows are valid.
    pub counters: SlotId,
    /// What the last layer gives, `[rows, outputs]`.
    pub logits: SlotId,
    /// The softmax of [`Self::logits`].
    pub probabilities: SlotId,
}

/// The plan of inferences in batches of these numbers of rows.
///
/// # Errors
/// Where a size does not fit the device's 32-bit indices, or there is no batch size.
pub fn plan_inference(model: &Model, batches: &[usize], caps: &Caps) -> Result<InferencePlan> {
    let (mut plan, mut pool) = (Plan::within(caps.max_binding_bytes), Pool::default());
    let owned = ModelSlots::add(&mut plan.memory, model)?;
    let mut sizes = batches.to_vec();
    sizes.sort_unstable();
    sizes.dedup();
    let batches = sizes.into_iter().map(|rows| add_inference(&mut plan, &mut pool, (model, &owned), rows));
    let batches = batches.collect::<Result<_>>()?;
    Ok(InferencePlan { plan, model: owned, batches })
}

/// Appends a section that infers `rows` rows.
pub(super) fn add_inference(
    plan: &mut Plan,
    pool: &mut Pool,
    (model, owned): (&Model, &ModelSlots),
    rows: usize,
) -> Result<InferenceSlots> {
    let phase = Phase::Infer(rows);
    let slots = InferenceSlots::add(&mut plan.memory, model, rows)?;
    plan.begin(phase.name());
    let mut graph = Graph::default();
    let mode = (PassMode::Evaluate, slots.counters);
    let (logits, _) = layers(&mut graph, &mut plan.memory, (model, owned), mode, &slots.inputs)?;
    graph.scope("softmax");
    let probabilities = graph.apply(SoftmaxOp, &[logits])?;
    let (graph, roots) = graph.simplify(&[logits, probabilities]);
    let stores = [(roots[0], slots.logits), (roots[1], slots.probabilities)];
    graph.lower(plan, pool, &phase.name(), &stores, &[], &Choices::default())?;
    Ok(slots)
}

impl InferenceSlots {
    fn add(memory: &mut Memory, model: &Model, rows: usize) -> Result<Self> {
        let signature = model.signature();
        let batch = |row: &TensorType| row.with_shape(Shape::new([&[rows], row.extents()].concat()));
        let inputs =
            signature.inputs.iter().map(|(name, row)| memory.tensor(&input(rows, name), Role::Input, batch(row)));
        let inputs = inputs.collect::<Result<_>>()?;
        let counters = memory.array(&name(rows, of_inference::COUNTERS), Role::Input, DType::U32, [counter::COUNT])?;
        let mut output = |slot| memory.array(&name(rows, slot), Role::Scratch, DType::F32, [rows, signature.outputs]);
        Ok(Self {
            rows,
            inputs,
            counters,
            logits: output(of_inference::LOGITS)?,
            probabilities: output(of_inference::PROBABILITIES)?,
        })
    }

    /// Finds those of each batch size in the memory of a plan of `model`, the smallest first.
    pub fn find_all(memory: &Memory, model: &Model) -> Vec<Self> {
        let sizes = memory.slots().iter().filter_map(|slot| {
            let rows = *slot.ty.extents().first()?;
            (slot.name == name(rows, of_inference::LOGITS)).then_some(rows)
        });
        let mut found: Vec<Self> = sizes.filter_map(|rows| Self::find(memory, model, rows).ok()).collect();
        found.sort_unstable_by_key(|slots| slots.rows);
        found
    }

    fn find(memory: &Memory, model: &Model, rows: usize) -> Result<Self> {
        let slot = |slot: &str| find(memory, &name(rows, slot));
        let inputs = model.signature().inputs.iter().map(|(name, _)| find(memory, &input(rows, name)));
        let inputs = inputs.collect::<Result<_>>()?;
        Ok(Self {
            rows,
            inputs,
            counters: slot(of_inference::COUNTERS)?,
            logits: slot(of_inference::LOGITS)?,
            probabilities: slot(of_inference::PROBABILITIES)?,
        })
    }
}

/// The name of a slot of an inference of so many rows.
fn name(rows: usize, slot: &str) -> String {
    format!("{}/{slot}", Phase::Infer(rows))
}

/// The name of the slot of an input.
fn input(rows: usize, input: &str) -> String {
    name(rows, &format!("{}.{input}", of_inference::INPUTS))
}
