//! The multilayer perceptron: linear layers with ReLU between them, trained by softmax cross-entropy and Adam.
//!
//! Forward, loss, backward and update are recorded by hand, dispatch by dispatch. With x_0 the batch and L layers:
//!
//! - forward: x_i = relu(x_{i-1} W_i + b_i), and for the last layer z = x_{L-1} W_L + b_L;
//! - loss: the mean of softmax cross-entropy of z, whose gradient is d_L = dz;
//! - backward: dW_i = x_{i-1}^T d_i, db_i = the column sums of d_i, d_{i-1} = d_i W_i^T where x_{i-1} > 0;
//! - update: Adam over the arena of all weights and biases.

use super::he_normal;
use crate::error::{Error, Kind, Result};
use crate::ops::adam::{Adam, AdamParams};
use crate::ops::column_sum::{ColumnSum, ColumnSumParams};
use crate::ops::copy::{CopyArray, CopyParams};
use crate::ops::gather::{Gather, GatherParams};
use crate::ops::matmul::{self, MatmulParams};
use crate::ops::metrics::{Metrics, MetricsParams};
use crate::ops::softmax_cross_entropy::{SoftmaxCrossEntropy, SoftmaxCrossEntropyParams};
use crate::ops::step_state::{StepState, StepStateParams};
use crate::ops::{counter, rate};
use crate::plan::{Arena, Memory, Plan, Role, SlotId};
use crate::random::seed_words;
use crate::shape::{DType, Shape};

/// A perceptron's layers: how wide its input, its hidden layers and its output are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mlp {
    widths: Vec<usize>,
}

/// What training a plan needs to know besides the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    /// Images to train on.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
    /// Adam's step size.
    pub learning_rate: f32,
    /// Seed of the order of the images.
    pub seed: u64,
    /// Steps whose metrics the device keeps until they are read.
    pub ring: usize,
}

/// What evaluating a plan needs to know besides the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Images to evaluate.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
}

/// The slots that forward, loss and metrics work on.
struct Pass {
    samples: u32,
    batch: u32,
    images: SlotId,
    classes: SlotId,
    counters: SlotId,
    rates: SlotId,
    inputs: SlotId,
    labels: SlotId,
    /// Output of each layer; the last holds the logits.
    outputs: Vec<SlotId>,
    losses: SlotId,
    logits_gradient: SlotId,
    metrics: SlotId,
    ring: u32,
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
        let model = Self { widths };
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

    /// Initial values in the order of [`Self::tensors`]: He's for weights, zero for biases.
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let layer =
            |(i, pair): (usize, &[usize])| [he_normal(seed, 2 * i, pair[0], pair[0] * pair[1]), vec![0.0; pair[1]]];
        self.widths.windows(2).enumerate().flat_map(layer).collect()
    }

    /// A plan with the section `train`, and where `evaluation` is given the section `evaluate`.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices.
    pub fn plan(&self, training: Option<Training>, evaluation: Option<Evaluation>) -> Result<Plan> {
        let mut memory = Memory::default();
        let weights = memory.arena("weights", Role::State, &self.tensors())?;
        let mut plan = Plan::default();
        if let Some(training) = training {
            let pass = self.pass(&mut memory, "train", training.samples, training.batch, training.ring)?;
            let backward = Backward {
                gradients: memory.arena("gradients", Role::Transient, &self.tensors())?,
                first_moment: memory.arena("first_moment", Role::State, &self.tensors())?,
                second_moment: memory.arena("second_moment", Role::State, &self.tensors())?,
                hidden: self.hidden_gradients(&mut memory, training.batch)?,
            };
            plan.memory = memory;
            plan.begin("train");
            self.record_start(&mut plan, &pass, training.learning_rate, Some(training.seed))?;
            self.record_forward(&mut plan, &weights, &pass)?;
            self.record_backward(&mut plan, &weights, &pass, &backward)?;
            record_update(&mut plan, &weights, &pass, &backward)?;
            memory = std::mem::take(&mut plan.memory);
        }
        plan.memory = memory;
        if let Some(evaluation) = evaluation {
            self.record_evaluation(&mut plan, &weights, "evaluate", "test", evaluation)?;
        }
        Ok(plan)
    }

    /// Appends to a plan of this model the section `validate`, which is `evaluate` over the images of `validation`.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices, or the plan is another model's.
    pub fn add_validation(&self, plan: &mut Plan, validation: Evaluation) -> Result<()> {
        let weights = find_weights(plan, &self.tensors())?;
        self.record_evaluation(plan, &weights, "validate", "validation", validation)
    }

    /// Appends to a plan of this model the section `keep`, which copies the weights to an arena of their own, and the
    /// section `restore`, which copies them back.
    ///
    /// # Errors
    /// Where the plan is another model's.
    pub fn add_keeping(&self, plan: &mut Plan) -> Result<()> {
        let weights = find_weights(plan, &self.tensors())?;
        let kept = plan.memory.arena("kept", Role::State, &self.tensors())?;
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
        weights: &Arena,
        section: &'static str,
        set: &str,
        Evaluation { samples, batch }: Evaluation,
    ) -> Result<()> {
        let pass = self.pass(&mut plan.memory, set, samples, batch, samples.div_ceil(batch.max(1)))?;
        plan.begin(section);
        self.record_start(plan, &pass, 0.0, None)?;
        self.record_forward(plan, weights, &pass)
    }

    fn pass(&self, memory: &mut Memory, set: &str, samples: usize, batch: usize, ring: usize) -> Result<Pass> {
        let (features, classes) = (self.widths[0], self.widths[self.widths.len() - 1]);
        let mut array =
            |name: &str, role, dtype, shape: Shape| memory.array(&format!("{set}/{name}"), role, dtype, shape);
        let outputs = self.widths[1..].iter().enumerate();
        Ok(Pass {
            samples: word(samples)?,
            batch: word(batch)?,
            images: array("images", Role::Data, DType::U8, [samples, features].into())?,
            classes: array("classes", Role::Data, DType::U8, [samples].into())?,
            counters: array("counters", Role::State, DType::U32, [counter::COUNT].into())?,
            rates: array("rates", Role::State, DType::F32, [rate::COUNT].into())?,
            inputs: array("inputs", Role::Transient, DType::F32, [batch, features].into())?,
            labels: array("labels", Role::Transient, DType::U32, [batch].into())?,
            outputs: outputs
                .map(|(i, &width)| array(&format!("fc{}", i + 1), Role::Transient, DType::F32, [batch, width].into()))
                .collect::<Result<_>>()?,
            losses: array("losses", Role::Transient, DType::F32, [batch].into())?,
            logits_gradient: array("logits.gradient", Role::Transient, DType::F32, [batch, classes].into())?,
            metrics: array("metrics", Role::State, DType::F32, [ring, 2].into())?,
            ring: word(ring)?,
        })
    }

    /// A gradient for the output of each hidden layer.
    fn hidden_gradients(&self, memory: &mut Memory, batch: usize) -> Result<Vec<SlotId>> {
        let hidden = &self.widths[1..self.widths.len() - 1];
        let slot = |(i, &width): (usize, &usize)| {
            memory.array(&format!("train/fc{}.gradient", i + 1), Role::Transient, DType::F32, [batch, width])
        };
        hidden.iter().enumerate().map(slot).collect()
    }

    /// Advances the counters and gathers the batch; in a permuted order where `seed` is given.
    fn record_start(&self, plan: &mut Plan, pass: &Pass, learning_rate: f32, seed: Option<u64>) -> Result<()> {
        let adam = AdamParams::new(0);
        let state = StepStateParams {
            samples: pass.samples,
            batch: pass.batch,
            learning_rate,
            beta1: adam.beta1,
            one_minus_beta1: adam.one_minus_beta1,
            beta2: adam.beta2,
            one_minus_beta2: adam.one_minus_beta2,
        };
        plan.dispatch("begin step", &StepState, state, &[("counters", pass.counters), ("rates", pass.rates)])?;
        let [seed_low, seed_high] = seed_words(seed.unwrap_or(0));
        let gather = GatherParams {
            samples: pass.samples,
            features: word(self.widths[0])?,
            batch: pass.batch,
            shuffle: seed.is_some().into(),
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
        plan.dispatch("gather batch", &Gather, gather, &bindings)
    }

    fn record_forward(&self, plan: &mut Plan, weights: &Arena, pass: &Pass) -> Result<()> {
        let layers = self.widths.len() - 1;
        let mut input = pass.inputs;
        for layer in 0..layers {
            let params = self.product(pass.batch, layer, layer + 1)?;
            let bindings = [
                ("a", input),
                ("b", weights.tensors[2 * layer]),
                ("bias", weights.tensors[2 * layer + 1]),
                ("out", pass.outputs[layer]),
            ];
            let kernel = if layer + 1 < layers { &matmul::NN_BIAS_RELU } else { &matmul::NN_BIAS };
            plan.dispatch(format!("fc{} forward", layer + 1), kernel, params, &bindings)?;
            input = pass.outputs[layer];
        }
        let (m, n) = (pass.batch, word(self.widths[layers])?);
        let bindings = [
            ("logits", input),
            ("labels", pass.labels),
            ("counters", pass.counters),
            ("losses", pass.losses),
            ("gradient", pass.logits_gradient),
        ];
        plan.dispatch("loss", &SoftmaxCrossEntropy, SoftmaxCrossEntropyParams { m, n }, &bindings)?;
        let bindings = [
            ("logits", input),
            ("labels", pass.labels),
            ("losses", pass.losses),
            ("counters", pass.counters),
            ("metrics", pass.metrics),
        ];
        plan.dispatch("metrics", &Metrics, MetricsParams { m, n, ring: pass.ring }, &bindings)
    }

    fn record_backward(&self, plan: &mut Plan, weights: &Arena, pass: &Pass, backward: &Backward) -> Result<()> {
        let mut gradient = pass.logits_gradient;
        for layer in (0..self.widths.len() - 1).rev() {
            let (m, n) = (word(self.widths[layer])?, word(self.widths[layer + 1])?);
            let input = if layer == 0 { pass.inputs } else { pass.outputs[layer - 1] };
            let out = backward.gradients.tensors[2 * layer];
            let bindings = [("a", input), ("b", gradient), ("out", out)];
            let params = MatmulParams { m, k: pass.batch, n };
            plan.dispatch(format!("fc{} weight gradient", layer + 1), &matmul::TN, params, &bindings)?;
            let bindings = [("a", gradient), ("out", backward.gradients.tensors[2 * layer + 1])];
            let params = ColumnSumParams { m: pass.batch, n };
            plan.dispatch(format!("fc{} bias gradient", layer + 1), &ColumnSum, params, &bindings)?;
            if layer > 0 {
                let bindings = [
                    ("a", gradient),
                    ("b", weights.tensors[2 * layer]),
                    ("activation", input),
                    ("out", backward.hidden[layer - 1]),
                ];
                let params = self.product(pass.batch, layer + 1, layer)?;
                plan.dispatch(format!("fc{layer} gradient"), &matmul::NT_RELU_MASK, params, &bindings)?;
                gradient = backward.hidden[layer - 1];
            }
        }
        Ok(())
    }

    /// A product of `batch` rows from one width to another.
    fn product(&self, batch: u32, from: usize, to: usize) -> Result<MatmulParams> {
        Ok(MatmulParams { m: batch, k: word(self.widths[from])?, n: word(self.widths[to])? })
    }
}

/// The slots of backward pass and update.
struct Backward {
    gradients: Arena,
    first_moment: Arena,
    second_moment: Arena,
    /// Gradient of the output of each hidden layer.
    hidden: Vec<SlotId>,
}

fn record_update(plan: &mut Plan, weights: &Arena, pass: &Pass, backward: &Backward) -> Result<()> {
    let n = word(plan.memory.slot(weights.all).words)?;
    let bindings = [
        ("gradient", backward.gradients.all),
        ("rates", pass.rates),
        ("weight", weights.all),
        ("first_moment", backward.first_moment.all),
        ("second_moment", backward.second_moment.all),
    ];
    plan.dispatch("update", &Adam, AdamParams::new(n), &bindings)
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

fn word(size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| {
        Error::new(
            Kind::Device,
            format!("a size of {size} does not fit the 32-bit indices of a device"),
            "make the model, the batch or the data set smaller",
        )
    })
}

impl std::fmt::Display for Mlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<_> = self.widths.iter().map(usize::to_string).collect();
        f.write_str(&widths.join("-"))
    }
}
