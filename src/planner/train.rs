//! Plans of training and of evaluation.

use super::batch::{record_gather, record_step};
use super::forward::Forward;
use super::infer::{InferenceSlots, add_inference};
use super::keep::add_keeping;
use super::measure::add_measuring;
use super::metrics::record_metrics;
use super::micro_batches::{Accumulation, MicroBatches};
use super::names::{self, Phase, Set};
use super::passes;
use super::scan::{ScanSlots, add_scan};
use super::slots::{ModelSlots, SetSizes, SetSlots};
use super::spec::{EvaluationSpec, TrainSpec};
use crate::error::Result;
use crate::graph::Pool;
use crate::kernel::Caps;
use crate::nn::{Model, Normalization, PassMode};
use crate::optim::parameter_arena;
use crate::plan::{Arena, Memory, Plan, Role, SlotId};

/// A plan that trains, with handles to its slots.
#[derive(Clone)]
pub struct TrainingPlan {
    /// The plan: a section for each [`Phase`] that the spec asks for.
    pub plan: Plan,
    /// The handles.
    pub slots: TrainingSlots,
}

/// The slots of a plan that trains.
#[derive(Clone, Debug)]
pub struct TrainingSlots {
    /// What the model owns.
    pub model: ModelSlots,
    /// What the training steps work on.
    pub train: SetSlots,
    /// What the validation works on, if there is one.
    pub validation: Option<SetSlots>,
    /// What the evaluation works on, if there is one.
    pub test: Option<SetSlots>,
    /// What scans go through and leave, if there are any.
    pub scan: Option<ScanSlots>,
    /// What inferences of each batch size work on.
    pub infer: Vec<InferenceSlots>,
}

impl TrainingSlots {
    /// Finds them in the memory of a plan of `model` that trains.
    ///
    /// # Errors
    /// Where it is another model's, or does not train: names the slot that is missing.
    pub fn find(memory: &Memory, model: &Model) -> Result<Self> {
        Ok(Self {
            model: ModelSlots::find(memory, model)?,
            train: SetSlots::find(memory, Set::Train)?,
            validation: SetSlots::find(memory, Set::Validation).ok(),
            test: SetSlots::find(memory, Set::Test).ok(),
            scan: ScanSlots::find(memory),
            infer: InferenceSlots::find_all(memory, model),
        })
    }
}

/// A plan that evaluates, with handles to its slots.
#[derive(Clone)]
pub struct EvaluationPlan {
    /// The plan, whose one section is [`Phase::Evaluate`].
    pub plan: Plan,
    /// What the model owns.
    pub model: ModelSlots,
    /// What the evaluation works on.
    pub test: SetSlots,
}

/// The plan of a training run, in the form that an adapter of these capabilities can run, and runs fastest; the numbers
/// are the same in every form.
///
/// # Errors
/// If a size exceeds the device's 32-bit indices, or the batch cannot be divided.
pub fn plan_training(model: &Model, spec: &TrainSpec, caps: &Caps) -> Result<TrainingPlan> {
    let (mut plan, mut pool) = (Plan::within(caps.max_binding_bytes), Pool::default());
    let owned = ModelSlots::add(&mut plan.memory, model)?;
    let train = record_training(&mut plan, &mut pool, (model, &owned), spec, caps)?;
    let mut evaluate = |plan: &mut Plan, set, spec: Option<EvaluationSpec>| {
        spec.map(|spec| record_evaluation(plan, &mut pool, (model, &owned), set, spec)).transpose()
    };
    let test = evaluate(&mut plan, Set::Test, spec.test)?;
    let scan = if spec.scan { Some(add_scan(&mut plan, train.counters)?) } else { None };
    let validation = evaluate(&mut plan, Set::Validation, spec.validation)?;
    if spec.keep_best {
        add_keeping(&mut plan, &owned)?;
    }
    if spec.normalize == Normalization::Standard {
        add_measuring(&mut plan, &owned, &train)?;
    }
    let infer = spec.infer.iter().map(|&rows| add_inference(&mut plan, &mut pool, (model, &owned), rows));
    let infer = infer.collect::<Result<_>>()?;
    Ok(TrainingPlan { plan, slots: TrainingSlots { model: owned, train, validation, test, scan, infer } })
}

/// The plan of an evaluation.
///
/// # Errors
/// Where a size does not fit the device's 32-bit indices.
pub fn plan_evaluation(model: &Model, spec: EvaluationSpec) -> Result<EvaluationPlan> {
    let (mut plan, mut pool) = (Plan::default(), Pool::default());
    let owned = ModelSlots::add(&mut plan.memory, model)?;
    let test = record_evaluation(&mut plan, &mut pool, (model, &owned), Set::Test, spec)?;
    Ok(EvaluationPlan { plan, model: owned, test })
}

/// Adds a section that runs forward, backward and update, for a batch or its micro-batches.
fn record_training(
    plan: &mut Plan,
    pool: &mut Pool,
    (model, owned): (&Model, &ModelSlots),
    spec: &TrainSpec,
    caps: &Caps,
) -> Result<SetSlots> {
    let division = MicroBatches::new(spec.samples, spec.batch, spec.micro_batch);
    let ring = spec.ring.saturating_mul(division.count);
    let sizes = SetSizes { samples: spec.samples, features: model.inputs(), batch: division.rows, ring };
    let slots = SetSlots::add(&mut plan.memory, Set::Train, sizes)?;
    let gradients = parameter_arena(&mut plan.memory, names::GRADIENTS, Role::Transient, &model.tensors())?;
    plan.begin(Phase::Train.name());
    record_step(plan, &slots, spec.batch, Some(&spec.update))?;
    spec.update.record_schedule(plan, spec.steps, slots.counters, slots.rates)?;
    let mut pass = |plan: &mut Plan, counters: SlotId, gradients: &Arena| {
        record_gather(plan, &slots, counters, owned, Some(spec))?;
        let mode = PassMode::Train { seed: spec.seed };
        let forward = Forward::new(&mut plan.memory, (model, owned), &slots, (mode, counters))?;
        let outcome = forward.record_with_gradients(plan, pool, Set::Train, gradients)?;
        record_metrics(plan, &slots, counters, outcome)
    };
    if division.count == 1 {
        pass(plan, slots.counters, &gradients)?;
    } else {
        model.config().loss.can_be_divided()?;
        let accumulation = Accumulation::new(plan, slots.counters, &gradients, &model.tensors())?;
        division.record(plan, &accumulation, |plan| {
            pass(plan, accumulation.micro_counters, &accumulation.micro_gradients)
        })?;
    }
    spec.update.record(plan, [&owned.weights, &gradients], slots.rates, caps.most_fused())?;
    passes::join_ends(plan)?;
    Ok(slots)
}

/// Appends a section that goes forward through the items of `set`, in order.
fn record_evaluation(
    plan: &mut Plan,
    pool: &mut Pool,
    (model, owned): (&Model, &ModelSlots),
    set: Set,
    EvaluationSpec { samples, batch }: EvaluationSpec,
) -> Result<SetSlots> {
    let sizes = SetSizes { samples, features: model.inputs(), batch, ring: samples.div_ceil(batch.max(1)) };
    let slots = SetSlots::add(&mut plan.memory, set, sizes)?;
    plan.begin(set.evaluated_by().name());
    record_step(plan, &slots, batch, None)?;
    record_gather(plan, &slots, slots.counters, owned, None)?;
    let pass = (PassMode::Evaluate, slots.counters);
    let outcome = Forward::new(&mut plan.memory, (model, owned), &slots, pass)?.record(plan, pool, set)?;
    record_metrics(plan, &slots, slots.counters, outcome)?;
    Ok(slots)
}
