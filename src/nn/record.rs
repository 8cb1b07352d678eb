//! A model's plan: forward pass and loss are a graph, whose gradients are derived; what mutates (counters, gathering,
//! metrics, update) is recorded into the plan around it.

use super::builder::{Mode, ModelBuilder, Owned, Signature};
use super::loss::TargetValues;
use super::micro_batches::{Accumulation, MicroBatches};
use super::model::{CLASS_WEIGHTS, NORMALISATION};
use super::{Augment, LossConfig, Model};
use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Pool, Value};
use crate::ops::batch::begin_batch::{BeginBatch, BeginBatchParams};
use crate::ops::batch::gather::{Gather, GatherParams};
use crate::ops::batch::gather_augmented::GatherAugmented;
use crate::ops::batch::normalisation::Normalisation;
use crate::ops::batch::pixel_sums::{PixelSums, PixelSumsParams};
use crate::ops::batch::step_state::{StepState, StepStateParams};
use crate::ops::elementwise::add::Add;
use crate::ops::elementwise::copy;
use crate::ops::loss::metrics::{Metrics, MetricsParams};
use crate::ops::loss::softmax_cross_entropy_metrics::SoftmaxCrossEntropyMetricsOp;
use crate::ops::update::adam::Betas;
use crate::ops::{counter, rate, word};
use crate::optim::{UpdateConfig, parameter_arena};
use crate::plan::{Arena, Memory, Plan, Role, Slot, SlotId};
use crate::random::seed_words;
use crate::shape::{DType, Shape};
use std::sync::Arc;

/// Logits of a batch that one workgroup may go through without holding up the step.
const MOST_JOINED_LOGITS: usize = 1 << 14;

/// What training a plan needs to know besides the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Images to train on.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
    /// Rows of a batch that are on the device at a time: their gradients are accumulated. All, where it is not given.
    pub micro_batch: Option<usize>,
    /// How a step moves the weights.
    pub update: UpdateConfig,
    /// The most weights that products update on their way out, where they can; without it, any number. More are updated
    /// by a dispatch of their own. The numbers are the same; `Caps::most_fused` says which is faster where.
    pub most_fused: Option<usize>,
    /// Steps of the whole run, by which the learning rate may be scheduled.
    pub steps: usize,
    /// Seed of the order of the images.
    pub seed: u64,
    /// Steps whose metrics the device keeps until they are read.
    pub ring: usize,
    /// What is done to the images, and how many rows and columns they have; without it they are taken as they are.
    pub augment: Option<(Augment, [usize; 2])>,
}

/// What evaluating a plan needs to know besides the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Images to evaluate.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
}

/// The slots of what a model owns.
struct State {
    weights: Arena,
    statistics: Option<Arena>,
    class_weights: Option<SlotId>,
    normalisation: SlotId,
}

/// The slots of one pass over a set of images, besides what the graph makes.
#[derive(Clone, Copy)]
struct Slots {
    samples: u32,
    batch: u32,
    images: SlotId,
    classes: SlotId,
    counters: SlotId,
    rates: SlotId,
    inputs: SlotId,
    labels: SlotId,
    metrics: SlotId,
    ring: u32,
    /// Where the counters of the last step lie, if the pass is one whose step begins with the gathering of its batch and
    /// whose loss records the metrics.
    last_counters: Option<SlotId>,
}

/// The graph of a pass: its leaves for the parameters, and what comes out.
struct Forward {
    graph: Graph,
    parameters: Vec<Value>,
    logits: Value,
    losses: Value,
}

impl Model {
    /// A plan with the section `train`, and where `evaluation` is given the section `evaluate`.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices, or batches are divided that cannot be.
    pub fn plan(&self, training: Option<Training>, evaluation: Option<Evaluation>) -> Result<Plan> {
        self.plan_within(u64::MAX, training, evaluation)
    }

    /// [`Self::plan`] for an adapter whose bindings are of at most so many bytes.
    ///
    /// # Errors
    /// As there.
    pub fn plan_within(
        &self,
        max_binding_bytes: u64,
        training: Option<Training>,
        evaluation: Option<Evaluation>,
    ) -> Result<Plan> {
        let mut plan = Plan::within(max_binding_bytes);
        let mut pool = Pool::default();
        let state = self.state_slots(&mut plan.memory)?;
        if let Some(training) = training {
            self.record_training(&mut plan, &mut pool, &state, &training)?;
        }
        if let Some(evaluation) = evaluation {
            self.record_evaluation(&mut plan, &mut pool, &state, ("evaluate", "test"), evaluation)?;
        }
        Ok(plan)
    }

    /// Appends to a plan of this model the section `validate`, which is `evaluate` over the images of `validation`.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices, or the plan is another model's.
    pub fn add_validation(&self, plan: &mut Plan, validation: Evaluation) -> Result<()> {
        let state = self.find_state(plan)?;
        self.record_evaluation(plan, &mut Pool::default(), &state, ("validate", "validation"), validation)
    }

    /// Appends to a plan of this model the section `keep`, which copies weights and statistics to arenas of their own,
    /// and the section `restore`, which copies them back.
    ///
    /// # Errors
    /// Where the plan is another model's.
    pub fn add_keeping(&self, plan: &mut Plan) -> Result<()> {
        let state = self.find_state(plan)?;
        let mut pairs = Vec::new();
        for arena in [Some(&state.weights), state.statistics.as_ref()].into_iter().flatten() {
            let Slot { name, words, .. } = plan.memory.slot(arena.all).clone();
            let kept = plan.memory.array(&format!("kept/{name}"), Role::Scratch, DType::F32, [words])?;
            pairs.push((name, arena.all, kept));
        }
        for (section, back) in [("keep", false), ("restore", true)] {
            plan.begin(section);
            for (name, state, kept) in &pairs {
                let pair = if back { [*kept, *state] } else { [*state, *kept] };
                copy::record(plan, &format!("{section} {name}"), pair)?;
            }
        }
        Ok(())
    }

    /// Appends to a plan of this model with the section `train` the section `measure`, which makes the normalisation
    /// that of all images to train on: to mean 0 and deviation 1.
    ///
    /// # Errors
    /// Where the plan is another model's, or trains none.
    pub fn add_measuring(&self, plan: &mut Plan) -> Result<()> {
        let normalisation = self.find_state(plan)?.normalisation;
        let images = find(plan, "train/images")?;
        let samples = plan.memory.slot(images).ty.extents()[0];
        let params = PixelSumsParams::new(samples, self.inputs())?;
        let shape = [params.parts as usize, 2];
        let sums = plan.memory.array("measure/part_sums", Role::Transient, DType::U32, shape)?;
        plan.begin("measure");
        plan.dispatch("sum pixels", &PixelSums, params, &[("images", images), ("part_sums", sums)])?;
        let bindings = [("part_sums", sums), ("normalisation", normalisation)];
        plan.dispatch("mean and deviation", &Normalisation, params, &bindings)
    }

    /// Appends a section that goes forward, backward and a step on, by one batch or by its micro-batches.
    fn record_training(&self, plan: &mut Plan, pool: &mut Pool, state: &State, training: &Training) -> Result<()> {
        let Training { samples, batch, ref update, steps, .. } = *training;
        let division = MicroBatches::new(samples, batch, training.micro_batch);
        let ring = training.ring.saturating_mul(division.count);
        let mut slots = self.slots(&mut plan.memory, "train", samples, division.rows, ring)?;
        let gradients = parameter_arena(&mut plan.memory, "gradients", Role::Transient, &self.tensors())?;
        plan.begin("train");
        let whole = division.count == 1 && division.rows == batch;
        let joined = whole && self.can_join_ends(training);
        let step = step_params(&slots, batch, Some(update))?;
        if joined {
            let shape = [counter::COUNT];
            let last_counters = plan.memory.array("train/last_counters", Role::Carried, DType::U32, shape)?;
            slots.last_counters = Some(last_counters);
            self.record_beginning(plan, &slots, last_counters, state.normalisation, (step, training))?;
        } else {
            record_step(plan, &slots, step)?;
        }
        update.record_schedule(plan, steps, slots.counters, slots.rates)?;
        let mut pass = |plan: &mut Plan, counters: SlotId, gradients: &Arena| {
            let slots = Slots { counters, ..slots };
            if !joined {
                self.record_gather(plan, &slots, state.normalisation, Some(training))?;
            }
            let mut forward = self.graph_of(&mut plan.memory, state, &slots, Mode::Train { seed: training.seed })?;
            let seeds = forward.graph.seeds(forward.losses)?;
            let derived = forward.graph.gradients(&seeds, &forward.parameters, Arc::new(Add))?;
            let derived = derived.into_iter().collect::<Option<Vec<_>>>().ok_or_else(unused_parameter)?;
            forward.record(plan, pool, &slots, "train", &derived, &gradients.tensors)
        };
        if division.count == 1 {
            pass(plan, slots.counters, &gradients)?;
        } else {
            self.config().loss.can_be_divided()?;
            let accumulation = Accumulation::new(plan, slots.counters, &gradients, &self.tensors())?;
            division.record(plan, &accumulation, |plan| {
                pass(plan, accumulation.micro_counters, &accumulation.micro_gradients)
            })?;
        }
        update.record(plan, [&state.weights, &gradients], slots.rates, training.most_fused)
    }

    /// Appends a section that goes forward through the images of `set`, in order.
    fn record_evaluation(
        &self,
        plan: &mut Plan,
        pool: &mut Pool,
        state: &State,
        (section, set): (&'static str, &str),
        Evaluation { samples, batch }: Evaluation,
    ) -> Result<()> {
        let slots = self.slots(&mut plan.memory, set, samples, batch, samples.div_ceil(batch.max(1)))?;
        plan.begin(section);
        record_step(plan, &slots, step_params(&slots, batch, None)?)?;
        self.record_gather(plan, &slots, state.normalisation, None)?;
        let forward = self.graph_of(&mut plan.memory, state, &slots, Mode::Evaluate)?;
        forward.record(plan, pool, &slots, set, &[], &[])
    }

    /// Slots for passes over `batch` rows of a set at a time, with a ring of so many metrics.
    fn slots(&self, memory: &mut Memory, set: &str, samples: usize, batch: usize, ring: usize) -> Result<Slots> {
        let features = self.inputs();
        let mut array =
            |name: &str, role, dtype, shape: Shape| memory.array(&format!("{set}/{name}"), role, dtype, shape);
        Ok(Slots {
            samples: word(samples)?,
            batch: word(batch)?,
            images: array("images", Role::Data, DType::U8, [samples, features].into())?,
            classes: array("classes", Role::Data, DType::U8, [samples].into())?,
            counters: array("counters", Role::Carried, DType::U32, [counter::COUNT].into())?,
            rates: array("rates", Role::Carried, DType::F32, [rate::COUNT].into())?,
            inputs: array("inputs", Role::Transient, DType::F32, [batch, features].into())?,
            labels: array("labels", Role::Transient, DType::U32, [batch].into())?,
            metrics: array("metrics", Role::Scratch, DType::F32, [ring, 2].into())?,
            ring: word(ring)?,
            last_counters: None,
        })
    }

    /// The layers one after another, then the loss.
    fn graph_of(&self, memory: &mut Memory, state: &State, slots: &Slots, mode: Mode) -> Result<Forward> {
        let mut graph = Graph::default();
        let [x, labels, counters] = [slots.inputs, slots.labels, slots.counters].map(|slot| graph.leaf(memory, slot));
        let inputs = [(Signature::INPUT.to_owned(), x.into())].into();
        let running_state = state.statistics.as_ref().map_or(&[][..], |arena| &arena.tensors);
        let owned = Owned { parameters: &state.weights.tensors, running_state };
        let mut builder = ModelBuilder::using(&mut graph, memory, (mode, counters, inputs), (self, owned));
        let logits = self.forward(&mut builder)?.value;
        let parameters = builder.parameter_values();
        graph.scope("loss");
        let weights = state.class_weights.map(|slot| graph.leaf(memory, slot));
        let losses = match slots.last_counters {
            None => {
                let LossConfig { loss, label_smoothing, .. } = self.config().loss;
                let targets = TargetValues { labels, counters, class_weights: weights, label_smoothing };
                loss.apply(&mut graph, logits, &targets)?
            }
            Some(last_counters) => {
                let op = SoftmaxCrossEntropyMetricsOp { metrics: slots.metrics, last_counters };
                graph.apply(op, &[logits, labels, counters])?
            }
        };
        Ok(Forward { graph, parameters, logits, losses })
    }

    /// Slots for what the model owns: parameters, statistics, the weights of its classes where it has some, and what
    /// images are normalised by.
    fn state_slots(&self, memory: &mut Memory) -> Result<State> {
        let weights = parameter_arena(memory, "weights", Role::Parameter, &self.tensors())?;
        let statistics = self.running_state();
        let statistics = match statistics.as_slice() {
            [] => None,
            tensors => Some(memory.arena("statistics", Role::Carried, tensors)?),
        };
        let class_weights = match self.class_weights()? {
            None => None,
            Some(weights) => Some(memory.array(CLASS_WEIGHTS, Role::Carried, DType::F32, [weights.len()])?),
        };
        let normalisation = memory.array(NORMALISATION, Role::Carried, DType::F32, [2])?;
        Ok(State { weights, statistics, class_weights, normalisation })
    }

    /// [`Self::state_slots`] of a plan that has them.
    fn find_state(&self, plan: &Plan) -> Result<State> {
        let arena = |name: &str, tensors: Vec<(String, Shape)>| {
            let slots =
                tensors.iter().map(|(tensor, _)| find(plan, &format!("{name}/{tensor}"))).collect::<Result<_>>()?;
            Ok(Arena { all: find(plan, name)?, tensors: slots })
        };
        let statistics = Some(self.running_state()).filter(|tensors| !tensors.is_empty());
        Ok(State {
            weights: arena("weights", self.tensors())?,
            statistics: statistics.map(|tensors| arena("statistics", tensors)).transpose()?,
            class_weights: self.class_weights()?.map(|_| find(plan, CLASS_WEIGHTS)).transpose()?,
            normalisation: find(plan, NORMALISATION)?,
        })
    }

    /// Whether a step may begin with the gathering of its batch, and its loss record the metrics: where there are
    /// shaders for it, and the batch is small enough for one workgroup to go through.
    fn can_join_ends(&self, training: &Training) -> bool {
        let augmented = training.augment.is_some_and(|(augment, _)| augment.is_on());
        let logits = training.batch.saturating_mul(self.classes());
        !augmented && self.config().loss == LossConfig::default() && logits <= MOST_JOINED_LOGITS
    }

    /// Begins a step and gathers its batch at once.
    fn record_beginning(
        &self,
        plan: &mut Plan,
        slots: &Slots,
        last_counters: SlotId,
        normalisation: SlotId,
        (step, training): (StepStateParams, &Training),
    ) -> Result<()> {
        let params = BeginBatchParams::new(step, self.gather_params(slots, Some(training))?);
        let bindings = [
            ("images", slots.images),
            ("classes", slots.classes),
            ("last_counters", last_counters),
            ("normalisation", normalisation),
            ("counters", slots.counters),
            ("rates", slots.rates),
            ("inputs", slots.inputs),
            ("labels", slots.labels),
        ];
        plan.dispatch("gather batch", &BeginBatch, params, &bindings)
    }

    /// In training the order is a permutation.
    fn gather_params(&self, slots: &Slots, training: Option<&Training>) -> Result<GatherParams> {
        let [seed_low, seed_high] = seed_words(training.map_or(0, |training| training.seed));
        Ok(GatherParams {
            samples: slots.samples,
            features: word(self.inputs())?,
            batch: slots.batch,
            shuffle: training.is_some().into(),
            seed_low,
            seed_high,
        })
    }

    /// Gathers the batch; in training in a permuted order, and augmented where asked for.
    fn record_gather(
        &self,
        plan: &mut Plan,
        slots: &Slots,
        normalisation: SlotId,
        training: Option<&Training>,
    ) -> Result<()> {
        let gather = self.gather_params(slots, training)?;
        let bindings = [
            ("images", slots.images),
            ("classes", slots.classes),
            ("counters", slots.counters),
            ("normalisation", normalisation),
            ("inputs", slots.inputs),
            ("labels", slots.labels),
        ];
        match training.and_then(|training| training.augment).filter(|(augment, _)| augment.is_on()) {
            None => plan.dispatch("gather batch", &Gather, gather, &bindings),
            Some((augment, image)) => {
                plan.dispatch("augment batch", &GatherAugmented, augment.gather(gather, image)?, &bindings)
            }
        }
    }
}

/// A step on by at most `batch` rows, after which weights are updated so.
fn step_params(slots: &Slots, batch: usize, update: Option<&UpdateConfig>) -> Result<StepStateParams> {
    let learning_rate = update.map_or(0.0, |update| update.learning_rate);
    let betas = Betas::new(update.map_or([0.0; 2], |update| update.optimizer.betas()));
    Ok(StepStateParams { samples: slots.samples, batch: word(batch)?, learning_rate, betas })
}

/// Advances the counters and sets the rates.
fn record_step(plan: &mut Plan, slots: &Slots, step: StepStateParams) -> Result<()> {
    plan.dispatch("begin step", &StepState, step, &[("counters", slots.counters), ("rates", slots.rates)])
}

impl Forward {
    /// Lowers the graph, storing `derived` values into `stores`, and records the metrics of its outcome.
    fn record(
        self,
        plan: &mut Plan,
        pool: &mut Pool,
        slots: &Slots,
        set: &str,
        derived: &[Value],
        stores: &[SlotId],
    ) -> Result<()> {
        let classes = self.graph.shape(self.logits).extents()[1];
        let roots: Vec<Value> = [self.logits, self.losses].iter().chain(derived).copied().collect();
        let (graph, roots) = self.graph.simplify(&roots);
        let stores: Vec<(Value, SlotId)> = roots[2..].iter().copied().zip(stores.iter().copied()).collect();
        let lowered = graph.lower(plan, pool, set, &stores, &roots[..2])?;
        if slots.last_counters.is_some() {
            return Ok(()); // The loss has recorded them.
        }
        let [logits, losses] = [roots[0], roots[1]].map(|value| lowered.slot(value).ok_or_else(|| no_slot(set)));
        let bindings = [
            ("logits", logits?),
            ("labels", slots.labels),
            ("losses", losses?),
            ("counters", slots.counters),
            ("metrics", slots.metrics),
        ];
        plan.dispatch(
            "metrics",
            &Metrics,
            MetricsParams { m: slots.batch, n: word(classes)?, ring: slots.ring },
            &bindings,
        )
    }
}

/// The slot of this name.
fn find(plan: &Plan, name: &str) -> Result<SlotId> {
    plan.memory.find(name).ok_or_else(|| {
        let advice = "build it with Model::plan of this model";
        Error::new(Kind::Usage, format!("the plan has no slot `{name}`"), advice)
    })
}

fn unused_parameter() -> Error {
    crate::graph::mistake("a parameter does not reach the loss".to_owned())
}

fn no_slot(set: &str) -> Error {
    crate::graph::mistake(format!("the outcome of {set} was not lowered"))
}
