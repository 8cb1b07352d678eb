//! The multilayer perceptron: linear layers with an activation function between them.
//!
//! Forward pass and loss are a graph, whose gradients are derived; what mutates (counters, gathering, metrics, update)
//! is recorded into the plan around it.

use super::optimiser::{self, Optimisation};
use super::{Activation, Augment, Initialiser, Objective, dropout, linear};
use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Pool, Value};
use crate::ops::adam::AdamParams;
use crate::ops::add::Add;
use crate::ops::copy::{CopyArray, CopyParams};
use crate::ops::dropout::DropoutOp;
use crate::ops::gather::{Gather, GatherParams};
use crate::ops::gather_augmented::GatherAugmented;
use crate::ops::metrics::{Metrics, MetricsParams};
use crate::ops::step_state::{StepState, StepStateParams};
use crate::ops::{counter, rate, word};
use crate::plan::{Arena, Memory, Plan, Role, SlotId};
use crate::random::seed_words;
use crate::shape::{DType, Shape};
use std::sync::Arc;

/// A perceptron's layers: how wide its input, its hidden layers and its output are.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    widths: Vec<usize>,
    recipe: Recipe,
}

/// What a perceptron is made of besides its widths. The default is the classic one.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Recipe {
    /// What follows each hidden layer.
    pub activation: Activation,
    /// The share of each hidden layer's outputs that training drops, from 0 to less than 1.
    pub dropout: f64,
    /// What training makes small.
    pub objective: Objective,
    /// How weights begin.
    pub initialiser: Initialiser,
}

/// What training a plan needs to know besides the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// Images to train on.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
    /// How far a step moves the weights.
    pub learning_rate: f32,
    /// Optimiser, schedule and clipping.
    pub optimisation: Optimisation,
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

/// The slots of one pass over a set of images, besides what the graph makes.
struct Pass {
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
}

/// The graph of a pass: its leaves for the parameters, and what comes out.
struct Forward {
    graph: Graph,
    parameters: Vec<Value>,
    logits: Value,
    losses: Value,
}

impl Mlp {
    /// A perceptron of these widths: input, hidden layers, classes.
    ///
    /// # Errors
    /// Where a width is zero, there are fewer than two, or a size does not fit the device's 32-bit indices.
    pub fn new(widths: impl Into<Vec<usize>>) -> Result<Self> {
        let widths = widths.into();
        if widths.len() < 2 || widths.contains(&0) {
            return Err(Error::new(
                Kind::Usage,
                format!("a model of widths {widths:?}: every layer needs a width above 0"),
                "give positive sizes, such as --hidden 1024 or --hidden 512,256",
            ));
        }
        let model = Self { widths, recipe: Recipe::default() };
        let bytes = model.tensors().iter().try_fold(0usize, |sum, (_, shape)| {
            sum.checked_add(shape.elements().ok()?.checked_mul(4)?.checked_next_multiple_of(256)?)
        });
        match bytes {
            Some(bytes) if u32::try_from(bytes).is_ok() => Ok(model),
            _ => Err(Error::new(
                Kind::Device,
                format!(
                    "the weights of {model} need {} bytes, an adapter can address {} at most",
                    bytes.map_or("more than 2^64".to_owned(), |bytes| bytes.to_string()),
                    u32::MAX
                ),
                "make the hidden layers smaller",
            )),
        }
    }

    /// The same widths, made otherwise.
    pub fn with_recipe(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
    }

    /// What it is made of besides its widths.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Widths of input, hidden layers and output.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Names and shapes of the parameters: `fc1.weight [784, 1024]`, `fc1.bias [1024]`, and so on.
    pub fn tensors(&self) -> Vec<(String, Shape)> {
        let layer = |(i, pair): (usize, &[usize])| {
            [
                (format!("fc{}.weight", i + 1), Shape::from([pair[0], pair[1]])),
                (format!("fc{}.bias", i + 1), Shape::from([pair[1]])),
            ]
        };
        self.widths.windows(2).enumerate().flat_map(layer).collect()
    }

    /// How many numbers the model learns.
    pub fn parameters(&self) -> usize {
        self.widths.windows(2).map(|pair| pair[0] * pair[1] + pair[1]).sum()
    }

    /// Initial values in the order of [`Self::tensors`].
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let layer = |(i, pair): (usize, &[usize])| {
            [self.recipe.initialiser.draw(seed, 2 * i, [pair[0], pair[1]]), vec![0.0; pair[1]]]
        };
        self.widths.windows(2).enumerate().flat_map(layer).collect()
    }

    /// A plan with the section `train`, and where `evaluation` is given the section `evaluate`.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices.
    pub fn plan(&self, training: Option<Training>, evaluation: Option<Evaluation>) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut pool = Pool::default();
        let weights = optimiser::arena(&mut plan.memory, "weights", Role::State, &self.tensors())?;
        if let Some(training) = training {
            let Training { optimisation, steps, .. } = training;
            let pass = self.pass(&mut plan.memory, "train", training.samples, training.batch, training.ring)?;
            let gradients = optimiser::arena(&mut plan.memory, "gradients", Role::Transient, &self.tensors())?;
            plan.begin("train");
            self.record_start(&mut plan, &pass, Some(&training))?;
            optimiser::record_schedule(&mut plan, &optimisation, steps, pass.counters, pass.rates)?;
            let mut forward = self.forward(&plan.memory, &weights, &pass, Some(training.seed))?;
            let derived = forward.graph.gradients(forward.losses, &forward.parameters, Arc::new(Add))?;
            forward.record(&mut plan, &mut pool, &pass, "train", &derived, &gradients.tensors)?;
            optimiser::record_update(&mut plan, &optimisation, &weights, &gradients, pass.rates)?;
        }
        if let Some(evaluation) = evaluation {
            self.record_evaluation(&mut plan, &mut pool, &weights, ("evaluate", "test"), evaluation)?;
        }
        Ok(plan)
    }

    /// Appends to a plan of this model the section `validate`, which is `evaluate` over the images of `validation`.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices, or the plan is another model's.
    pub fn add_validation(&self, plan: &mut Plan, validation: Evaluation) -> Result<()> {
        let weights = find_weights(plan, &self.tensors())?;
        self.record_evaluation(plan, &mut Pool::default(), &weights, ("validate", "validation"), validation)
    }

    /// Appends to a plan of this model the section `keep`, which copies the weights to an arena of their own, and the
    /// section `restore`, which copies them back.
    ///
    /// # Errors
    /// Where the plan is another model's.
    pub fn add_keeping(&self, plan: &mut Plan) -> Result<()> {
        let weights = find_weights(plan, &self.tensors())?;
        let kept = optimiser::arena(&mut plan.memory, "kept", Role::State, &self.tensors())?;
        let params = CopyParams { n: word(plan.memory.slot(weights.all).words)? };
        for (section, from, to) in [("keep", &weights, &kept), ("restore", &kept, &weights)] {
            plan.begin(section);
            plan.dispatch(format!("{section} weights"), &CopyArray, params, &[("a", from.all), ("out", to.all)])?;
        }
        Ok(())
    }

    /// Appends a section that goes forward through the images of `set`, in order.
    fn record_evaluation(
        &self,
        plan: &mut Plan,
        pool: &mut Pool,
        weights: &Arena,
        (section, set): (&'static str, &str),
        Evaluation { samples, batch }: Evaluation,
    ) -> Result<()> {
        let pass = self.pass(&mut plan.memory, set, samples, batch, samples.div_ceil(batch.max(1)))?;
        plan.begin(section);
        self.record_start(plan, &pass, None)?;
        let forward = self.forward(&plan.memory, weights, &pass, None)?;
        forward.record(plan, pool, &pass, set, &[], &[])
    }

    fn pass(&self, memory: &mut Memory, set: &str, samples: usize, batch: usize, ring: usize) -> Result<Pass> {
        let features = self.widths[0];
        let mut array =
            |name: &str, role, dtype, shape: Shape| memory.array(&format!("{set}/{name}"), role, dtype, shape);
        Ok(Pass {
            samples: word(samples)?,
            batch: word(batch)?,
            images: array("images", Role::Data, DType::U8, [samples, features].into())?,
            classes: array("classes", Role::Data, DType::U8, [samples].into())?,
            counters: array("counters", Role::State, DType::U32, [counter::COUNT].into())?,
            rates: array("rates", Role::State, DType::F32, [rate::COUNT].into())?,
            inputs: array("inputs", Role::Transient, DType::F32, [batch, features].into())?,
            labels: array("labels", Role::Transient, DType::U32, [batch].into())?,
            metrics: array("metrics", Role::State, DType::F32, [ring, 2].into())?,
            ring: word(ring)?,
        })
    }

    /// Layers of weight, bias and, but for the last, activation and in training dropout; then the loss. `seed` is given
    /// in training.
    fn forward(&self, memory: &Memory, weights: &Arena, pass: &Pass, seed: Option<u64>) -> Result<Forward> {
        let mut graph = Graph::default();
        let parameters: Vec<Value> = weights.tensors.iter().map(|&slot| graph.leaf(memory, slot)).collect();
        let mut x = graph.leaf(memory, pass.inputs);
        let [labels, counters] = [pass.labels, pass.counters].map(|slot| graph.leaf(memory, slot));
        for (layer, tensors) in parameters.chunks_exact(2).enumerate() {
            graph.scope(format!("fc{}", layer + 1));
            x = linear(&mut graph, x, tensors[0], tensors[1])?;
            if layer + 2 < self.widths.len() {
                x = self.recipe.activation.apply(&mut graph, x)?;
                if let (Some(seed), true) = (seed, self.recipe.dropout > 0.0) {
                    let op = DropoutOp { seed, layer: layer as u32, probability: self.recipe.dropout };
                    x = dropout(&mut graph, x, counters, op)?;
                }
            }
        }
        graph.scope("loss");
        let losses = self.recipe.objective.losses(&mut graph, x, labels, counters)?;
        Ok(Forward { graph, parameters, logits: x, losses })
    }

    /// Advances the counters and gathers the batch; in training in a permuted order, and augmented where asked for.
    fn record_start(&self, plan: &mut Plan, pass: &Pass, training: Option<&Training>) -> Result<()> {
        let adam = AdamParams::new(0);
        let state = StepStateParams {
            samples: pass.samples,
            batch: pass.batch,
            learning_rate: training.map_or(0.0, |training| training.learning_rate),
            beta1: adam.beta1,
            one_minus_beta1: adam.one_minus_beta1,
            beta2: adam.beta2,
            one_minus_beta2: adam.one_minus_beta2,
        };
        plan.dispatch("begin step", &StepState, state, &[("counters", pass.counters), ("rates", pass.rates)])?;
        let [seed_low, seed_high] = seed_words(training.map_or(0, |training| training.seed));
        let gather = GatherParams {
            samples: pass.samples,
            features: word(self.widths[0])?,
            batch: pass.batch,
            shuffle: training.is_some().into(),
            seed_low,
            seed_high,
        };
        let bindings = [
            ("images", pass.images),
            ("classes", pass.classes),
            ("counters", pass.counters),
            ("inputs", pass.inputs),
            ("labels", pass.labels),
        ];
        match training.and_then(|training| training.augment).filter(|(augment, _)| augment.is_on()) {
            None => plan.dispatch("gather batch", &Gather, gather, &bindings),
            Some((augment, image)) => {
                plan.dispatch("augment batch", &GatherAugmented, augment.gather(gather, image)?, &bindings)
            }
        }
    }
}

impl Forward {
    /// Lowers the graph, storing `derived` values into `slots`, and records the metrics of its outcome.
    fn record(
        self,
        plan: &mut Plan,
        pool: &mut Pool,
        pass: &Pass,
        set: &str,
        derived: &[Value],
        slots: &[SlotId],
    ) -> Result<()> {
        let classes = self.graph.shape(self.logits).extents()[1];
        let roots: Vec<Value> = [self.logits, self.losses].iter().chain(derived).copied().collect();
        let (graph, roots) = self.graph.simplify(&roots);
        let stores: Vec<(Value, SlotId)> = roots[2..].iter().copied().zip(slots.iter().copied()).collect();
        let lowered = graph.lower(plan, pool, set, &stores, &roots[..2])?;
        let [logits, losses] = [roots[0], roots[1]].map(|value| lowered.slot(value).ok_or_else(|| no_slot(set)));
        let bindings = [
            ("logits", logits?),
            ("labels", pass.labels),
            ("losses", losses?),
            ("counters", pass.counters),
            ("metrics", pass.metrics),
        ];
        plan.dispatch(
            "metrics",
            &Metrics,
            MetricsParams { m: pass.batch, n: word(classes)?, ring: pass.ring },
            &bindings,
        )
    }
}

fn no_slot(set: &str) -> Error {
    crate::graph::mistake(format!("the outcome of {set} was not lowered"))
}

/// The arena `weights` of a plan.
fn find_weights(plan: &Plan, tensors: &[(String, Shape)]) -> Result<Arena> {
    let find = |name: String| {
        plan.memory.find(&name).ok_or_else(|| {
            Error::new(Kind::Usage, format!("the plan has no slot `{name}`"), "build it with Mlp::plan of this model")
        })
    };
    let slots = tensors.iter().map(|(tensor, _)| find(format!("weights/{tensor}"))).collect::<Result<_>>()?;
    Ok(Arena { all: find("weights".to_owned())?, tensors: slots })
}

impl std::fmt::Display for Mlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<_> = self.widths.iter().map(usize::to_string).collect();
        f.write_str(&widths.join("-"))
    }
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { activation, dropout, objective, initialiser } = self;
        write!(f, "{activation}, loss {objective}, weights begin by {initialiser}")?;
        if *dropout > 0.0 { write!(f, ", dropout {dropout}") } else { Ok(()) }
    }
}
