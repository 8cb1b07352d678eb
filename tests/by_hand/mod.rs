//! The perceptron's plan recorded by hand, dispatch by dispatch: the reference for plans derived from graphs.
//!
//! With x_0 the batch and L layers:
//!
//! - forward: x_i = relu(x_{i-1} W_i + b_i), and for the last layer z = x_{L-1} W_L + b_L;
//! - loss: the mean of softmax cross-entropy of z, whose gradient is d_L = dz;
//! - backward: dW_i = x_{i-1}^T d_i, db_i = the column sums of d_i, d_{i-1} = d_i W_i^T where x_{i-1} > 0;
//! - update: Adam over the arena of all weights and biases.

use shadegrad::error::Result;
use shadegrad::nn::Model;
use shadegrad::ops::batch::gather::{GatherKernel, GatherParams};
use shadegrad::ops::batch::step_state::{StepStateKernel, StepStateParams};
use shadegrad::ops::elementwise::column_sum::{ColumnSumKernel, ColumnSumParams};
use shadegrad::ops::loss::metrics::{MetricsKernel, MetricsParams};
use shadegrad::ops::loss::softmax_cross_entropy::{SoftmaxCrossEntropyKernel, SoftmaxCrossEntropyParams};
use shadegrad::ops::matmul::{self, MatmulParams};
use shadegrad::ops::update::adam::{AdamKernel, AdamParams};
use shadegrad::ops::{counter, rate, word};
use shadegrad::plan::{Arena, Memory, Plan, Role, SlotId};
use shadegrad::planner::TrainSpec;
use shadegrad::random::seed_words;
use shadegrad::shape::{DType, Shape};

/// The slots used by forward pass, loss and metrics.
struct Pass {
    samples: u32,
    batch: u32,
    images: SlotId,
    classes: SlotId,
    counters: SlotId,
    normalization: SlotId,
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

/// The model by its layer widths.
pub(crate) struct ByHand {
    widths: Vec<usize>,
    model: Model,
}

impl ByHand {
    pub(crate) fn new(model: &Model) -> Self {
        Self { widths: model.widths().to_vec(), model: model.clone() }
    }

    fn tensors(&self) -> Vec<(String, Shape)> {
        self.model.tensors()
    }

    /// A plan with the section `train`.
    pub(crate) fn plan(&self, training: TrainSpec) -> Result<Plan> {
        let mut memory = Memory::default();
        let weights = memory.arena("weights", Role::Parameter, &self.tensors())?;
        let pass = self.pass(&mut memory, "train", training.samples, training.batch, training.ring)?;
        let backward = Backward {
            gradients: memory.arena("gradients", Role::Transient, &self.tensors())?,
            first_moment: memory.arena("first_moment", Role::Optimizer, &self.tensors())?,
            second_moment: memory.arena("second_moment", Role::Optimizer, &self.tensors())?,
            hidden: self.hidden_gradients(&mut memory, training.batch)?,
        };
        let mut plan = Plan::new(memory);
        plan.begin("train");
        self.record_start(&mut plan, &pass, training.update.learning_rate, Some(training.seed))?;
        self.record_forward(&mut plan, &weights, &pass)?;
        self.record_backward(&mut plan, &weights, &pass, &backward)?;
        record_update(&mut plan, &weights, &pass, &backward)?;
        Ok(plan)
    }

    fn pass(&self, memory: &mut Memory, set: &str, samples: usize, batch: usize, ring: usize) -> Result<Pass> {
        let (features, classes) = (self.widths[0], self.widths[self.widths.len() - 1]);
        let normalization = memory.array("normalisation", Role::Carried, DType::F32, [2])?;
        let mut array =
            |name: &str, role, dtype, shape: Shape| memory.array(&format!("{set}/{name}"), role, dtype, shape);
        let outputs = self.widths[1..].iter().enumerate();
        Ok(Pass {
            samples: word(samples)?,
            batch: word(batch)?,
            images: array("items", Role::Data, DType::U8, [samples, features].into())?,
            classes: array("classes", Role::Data, DType::U8, [samples].into())?,
            counters: array("counters", Role::Carried, DType::U32, [counter::COUNT].into())?,
            normalization,
            rates: array("rates", Role::Carried, DType::F32, [rate::COUNT].into())?,
            inputs: array("inputs", Role::Transient, DType::F32, [batch, features].into())?,
            labels: array("labels", Role::Transient, DType::U32, [batch].into())?,
            outputs: outputs
                .map(|(i, &width)| array(&format!("fc{}", i + 1), Role::Transient, DType::F32, [batch, width].into()))
                .collect::<Result<_>>()?,
            losses: array("losses", Role::Transient, DType::F32, [batch].into())?,
            logits_gradient: array("logits.gradient", Role::Transient, DType::F32, [batch, classes].into())?,
            metrics: array("metrics", Role::Scratch, DType::F32, [ring, 2].into())?,
            ring: word(ring)?,
        })
    }

    /// Gradient of each hidden layer's output.
    fn hidden_gradients(&self, memory: &mut Memory, batch: usize) -> Result<Vec<SlotId>> {
        let hidden = &self.widths[1..self.widths.len() - 1];
        let slot = |(i, &width): (usize, &usize)| {
            memory.array(&format!("train/fc{}.gradient", i + 1), Role::Transient, DType::F32, [batch, width])
        };
        hidden.iter().enumerate().map(slot).collect()
    }

    /// Advances the counters and gathers the batch, permuted if `seed` is given.
    fn record_start(&self, plan: &mut Plan, pass: &Pass, learning_rate: f32, seed: Option<u64>) -> Result<()> {
        let state = StepStateParams {
            samples: pass.samples,
            batch: pass.batch,
            learning_rate,
            betas: AdamParams::new(0).betas,
        };
        plan.dispatch("begin step", &StepStateKernel, state, &[("counters", pass.counters), ("rates", pass.rates)])?;
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
            ("items", pass.images),
            ("classes", pass.classes),
            ("counters", pass.counters),
            ("normalization", pass.normalization),
            ("inputs", pass.inputs),
            ("labels", pass.labels),
        ];
        plan.dispatch("gather batch", &GatherKernel, gather, &bindings)
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
            let label = format!("fc{} forward", layer + 1);
            if layer + 1 < layers {
                plan.dispatch(label, &matmul::NN_BIAS_RELU, params, &bindings)?;
            } else {
                plan.dispatch(label, &matmul::NN_BIAS, params, &bindings)?;
            }
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
        plan.dispatch("loss", &SoftmaxCrossEntropyKernel, SoftmaxCrossEntropyParams { m, n }, &bindings)?;
        let bindings = [
            ("logits", input),
            ("labels", pass.labels),
            ("losses", pass.losses),
            ("counters", pass.counters),
            ("metrics", pass.metrics),
        ];
        plan.dispatch("metrics", &MetricsKernel, MetricsParams { m, n, ring: pass.ring }, &bindings)
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
            plan.dispatch(format!("fc{} bias gradient", layer + 1), &ColumnSumKernel, params, &bindings)?;
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
    /// Gradient of each hidden layer's output.
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
    plan.dispatch("update", &AdamKernel, AdamParams::new(n), &bindings)
}
