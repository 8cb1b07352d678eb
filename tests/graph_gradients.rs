//! Every differentiable op in a graph: its gradients are those of finite differences in f64, and the device computes
//! what the f32 twins do.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, Gpu, GpuExecutor};
use shadegrad::graph::{Graph, Pool, Value};
use shadegrad::kernel::Array;
use shadegrad::nn::{
    Activation, Objective, batch_norm, batch_norm_evaluate, dropout, embedding, flatten, layer_norm, linear, residual,
};
use shadegrad::ops::add::Add;
use shadegrad::ops::bias_add::BiasAdd;
use shadegrad::ops::dropout::DropoutOp;
use shadegrad::ops::matmul::{Layout, product};
use shadegrad::ops::registry;
use shadegrad::ops::relu::Relu;
use shadegrad::ops::reshape::Reshape;
use shadegrad::ops::scale::ScaleOp;
use shadegrad::ops::softmax::Softmax;
use shadegrad::ops::softmax_cross_entropy_weighted::SoftmaxCrossEntropyWeightedOp;
use shadegrad::plan::{Executor, Memory, Plan, Role, SlotId};
use shadegrad::random::{Random, stream};
use shadegrad::shape::{DType, Shape};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows of every batch. Labels go round three classes.
const ROWS: usize = 4;

/// What graphs are built from besides parameters.
struct Given {
    labels: Value,
    counters: Value,
    class_weights: Value,
    /// Running mean and variance of five columns.
    running: [SlotId; 2],
}

type Build = fn(&mut Graph, &[Value], &Given) -> Result<Value>;

/// A name, the shapes of parameters, and what is made of them.
type Entry = (&'static str, &'static [&'static [usize]], Build);

/// Backward, the product that follows applies the activation.
fn activated(activation: Activation, graph: &mut Graph, x: Value) -> Result<Value> {
    activation.apply(graph, x)
}

/// An activation that no product follows.
fn alone(activation: Activation, graph: &mut Graph, x: Value) -> Result<Value> {
    let active = activation.apply(graph, x)?;
    graph.apply(ScaleOp { factor: -0.7 }, &[active])
}

/// Ops that give `[4, 5]`.
const OPS: &[Entry] = &[
    ("product NN", &[&[4, 3], &[3, 5]], |graph, p, _| product(graph, Layout::NN, p[0], p[1])),
    ("product TN", &[&[3, 4], &[3, 5]], |graph, p, _| product(graph, Layout::TN, p[0], p[1])),
    ("product NT", &[&[4, 3], &[5, 3]], |graph, p, _| product(graph, Layout::NT, p[0], p[1])),
    ("bias_add", &[&[4, 5], &[5]], |graph, p, _| graph.apply(BiasAdd, p)),
    ("linear", &[&[4, 3], &[3, 5], &[5]], |graph, p, _| linear(graph, p[0], p[1], p[2])),
    // Bias, ReLU and the mask of its gradient go into the products.
    ("two layers", &[&[4, 3], &[3, 6], &[6], &[6, 5], &[5]], |graph, p, _| {
        let hidden = linear(graph, p[0], p[1], p[2])?;
        let active = graph.apply(Relu, &[hidden])?;
        linear(graph, active, p[3], p[4])
    }),
    ("add", &[&[4, 5], &[4, 5]], |graph, p, _| graph.apply(Add, p)),
    ("residual", &[&[4, 5]], |graph, p, _| residual(graph, p[0], |graph, x| graph.apply(Softmax, &[x]))),
    ("scale", &[&[4, 5]], |graph, p, _| graph.apply(ScaleOp { factor: -0.3 }, p)),
    ("dropout", &[&[4, 5]], |graph, p, given| {
        dropout(graph, p[0], given.counters, DropoutOp { seed: 3, layer: 1, probability: 0.4 })
    }),
    ("softmax", &[&[4, 5]], |graph, p, _| graph.apply(Softmax, p)),
    ("layer_norm", &[&[4, 5], &[5], &[5]], |graph, p, _| layer_norm(graph, p[0], p[1], p[2])),
    ("batch_norm", &[&[4, 5], &[5], &[5]], |graph, p, given| {
        batch_norm(graph, p[0], [p[1], p[2]], given.running, given.counters)
    }),
    ("embedding", &[&[6, 5]], |graph, p, given| embedding(graph, p[0], given.labels)),
    ("reshape", &[&[2, 10]], |graph, p, _| graph.apply(Reshape(Shape::from([4, 5])), p)),
    ("flatten", &[&[4, 5, 1]], |graph, p, _| flatten(graph, p[0])),
    ("a view used twice", &[&[2, 10]], |graph, p, _| {
        let view = graph.apply(Reshape(Shape::from([4, 5])), p)?;
        let active = graph.apply(Softmax, &[view])?;
        graph.apply(Add, &[view, active])
    }),
    ("a view's gradient in a place of its own", &[&[4, 5], &[20]], |graph, p, _| {
        let view = graph.apply(Reshape(Shape::from([4, 5])), &p[1..])?;
        graph.apply(Add, &[p[0], view])
    }),
    ("relu", &[&[4, 5]], |graph, p, _| graph.apply(Relu, p)),
    ("leaky_relu", &[&[4, 5]], |graph, p, _| activated(Activation::LeakyRelu, graph, p[0])),
    ("leaky_relu alone", &[&[4, 5]], |graph, p, _| alone(Activation::LeakyRelu, graph, p[0])),
    ("sigmoid", &[&[4, 5]], |graph, p, _| activated(Activation::Sigmoid, graph, p[0])),
    ("sigmoid alone", &[&[4, 5]], |graph, p, _| alone(Activation::Sigmoid, graph, p[0])),
    ("tanh", &[&[4, 5]], |graph, p, _| activated(Activation::Tanh, graph, p[0])),
    ("tanh alone", &[&[4, 5]], |graph, p, _| alone(Activation::Tanh, graph, p[0])),
    ("gelu", &[&[4, 5]], |graph, p, _| activated(Activation::Gelu, graph, p[0])),
    ("gelu alone", &[&[4, 5]], |graph, p, _| alone(Activation::Gelu, graph, p[0])),
    ("gelu_tanh", &[&[4, 5]], |graph, p, _| activated(Activation::GeluTanh, graph, p[0])),
    ("gelu_tanh alone", &[&[4, 5]], |graph, p, _| alone(Activation::GeluTanh, graph, p[0])),
    ("silu", &[&[4, 5]], |graph, p, _| activated(Activation::Silu, graph, p[0])),
    ("silu alone", &[&[4, 5]], |graph, p, _| alone(Activation::Silu, graph, p[0])),
    ("softplus", &[&[4, 5]], |graph, p, _| activated(Activation::Softplus, graph, p[0])),
    ("softplus alone", &[&[4, 5]], |graph, p, _| alone(Activation::Softplus, graph, p[0])),
    // The input reaches the end through the products and past them, and the weight is used forwards and transposed.
    ("a tied weight", &[&[4, 5], &[5, 5]], |graph, p, _| {
        let forwards = product(graph, Layout::NN, p[0], p[1])?;
        let hidden = graph.apply(Relu, &[forwards])?;
        let back = product(graph, Layout::NT, hidden, p[1])?;
        let sum = graph.apply(Add, &[back, p[0]])?;
        graph.apply(Add, &[sum, sum])
    }),
];

fn losses(objective: Objective, graph: &mut Graph, p: &[Value], given: &Given) -> Result<Value> {
    objective.losses(graph, p[0], given.labels, given.counters)
}

/// Losses of logits `[4, 3]`.
const LOSSES: &[Entry] = &[
    ("softmax_cross_entropy", &[&[4, 3]], |graph, p, given| losses(Objective::CrossEntropy, graph, p, given)),
    ("softmax_cross_entropy_weighted", &[&[4, 3]], |graph, p, given| {
        let inputs = [p[0], given.labels, given.counters, given.class_weights];
        graph.apply(SoftmaxCrossEntropyWeightedOp { smoothing: 0.1 }, &inputs)
    }),
    ("mse", &[&[4, 3]], |graph, p, given| losses(Objective::Mse, graph, p, given)),
    ("softmax_mse", &[&[4, 3]], |graph, p, given| losses(Objective::SoftmaxMse, graph, p, given)),
    ("l1", &[&[4, 3]], |graph, p, given| losses(Objective::L1, graph, p, given)),
    ("huber", &[&[4, 3]], |graph, p, given| losses(Objective::Huber, graph, p, given)),
    ("binary_cross_entropy", &[&[4, 3]], |graph, p, given| losses(Objective::BinaryCrossEntropy, graph, p, given)),
];

/// Kernels that no derivative passes through, and why.
const WITHOUT_GRADIENT: &[(&str, &str)] = &[
    ("matmul_nn_bias_leaky_relu", "in evaluation alone: a gradient needs the sums before the activation"),
    ("matmul_nn_bias_sigmoid", "the same"),
    ("matmul_nn_bias_tanh", "the same"),
    ("matmul_nn_bias_gelu", "the same"),
    ("matmul_nn_bias_gelu_tanh", "the same"),
    ("matmul_nn_bias_silu", "the same"),
    ("matmul_nn_bias_softplus", "the same"),
    ("step_state", "counts"),
    ("gather", "makes a batch of bytes, which are not learnt"),
    ("gather_augmented", "the same"),
    ("pixel_sums", "sums bytes, which are not learnt"),
    ("normalisation", "the same"),
    ("metrics", "reports losses that have been computed"),
    ("batch_norm_evaluate", "evaluation has no gradients; it is held to batch_norm below"),
    ("square_sums", "works on gradients, to clip them"),
    ("global_norm", "the same"),
    ("clip", "the same"),
    ("schedule", "sets the learning rate"),
    ("adam", "an update, held to PyTorch's by tests/golden.rs"),
    ("sgd", "the same"),
    ("rmsprop", "an update"),
    ("micro_batch", "counts"),
    ("accumulate", "works on gradients, held to those of whole batches by tests/training.rs"),
];

/// The plan of a loss and of its gradients for all parameters.
struct Case {
    plan: Plan,
    words: Vec<(SlotId, Vec<u32>)>,
    numbers: Vec<(SlotId, Vec<f32>)>,
    parameters: Vec<(SlotId, Vec<f32>)>,
    losses: SlotId,
    gradients: Vec<SlotId>,
}

impl Case {
    /// `build` gives the losses of parameters of these shapes.
    fn new(shapes: &[&[usize]], build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value>) -> Result<Self> {
        let mut memory = Memory::default();
        let mut random = Random::new(11, stream::CASES);
        let mut parameters = Vec::new();
        for shape in shapes {
            let slot = memory.array("parameter", Role::State, DType::F32, Shape::new(*shape))?;
            // Away from zero, where ReLU has no derivative.
            let away = |x: f32| if x.abs() < 0.05 { x + 0.1f32.copysign(x) } else { x };
            let values = (0..memory.slot(slot).words).map(|_| away(random.normal() as f32)).collect();
            parameters.push((slot, values));
        }
        let labels = memory.array("labels", Role::Data, DType::U32, [ROWS])?;
        let counters = memory.array("counters", Role::State, DType::U32, [4])?;
        let class_weights = memory.array("class weights", Role::Data, DType::F32, [3])?;
        let mean = memory.array("running mean", Role::State, DType::F32, [5])?;
        let variance = memory.array("running variance", Role::State, DType::F32, [5])?;
        let words = vec![(labels, vec![0, 1, 2, 0]), (counters, vec![1, 0, 0, ROWS as u32])];
        let numbers = vec![(class_weights, vec![0.5, 2.0, 1.25])];
        let mut graph = Graph::default();
        let values: Vec<_> = parameters.iter().map(|(slot, _)| graph.leaf(&memory, *slot)).collect();
        let given = Given {
            labels: graph.leaf(&memory, labels),
            counters: graph.leaf(&memory, counters),
            class_weights: graph.leaf(&memory, class_weights),
            running: [mean, variance],
        };
        let losses = build(&mut graph, &values, &given)?;
        let gradients = graph.gradients(losses, &values, Arc::new(Add))?;
        let roots: Vec<_> = [losses].into_iter().chain(gradients).collect();
        let (graph, roots) = graph.simplify(&roots);
        let mut stores = Vec::new();
        for root in roots {
            let slot = memory.array("out", Role::Transient, DType::F32, graph.shape(root).clone())?;
            stores.push((root, slot));
        }
        let mut plan = Plan::new(memory);
        plan.begin("all");
        graph.lower(&mut plan, &mut Pool::default(), "all", &stores, &[])?;
        let gradients = stores[1..].iter().map(|(_, slot)| *slot).collect();
        Ok(Self { plan, words, numbers, parameters, losses: stores[0].1, gradients })
    }

    /// Losses of an op's output `[4, 5]`, with ops before and after, whose gradients are neither one nor all equal.
    fn of_op(shapes: &[&[usize]], op: Build) -> Result<Self> {
        let shapes: Vec<_> = shapes.iter().copied().chain([&[5, 3][..]]).collect();
        Self::new(&shapes, |graph, p, given| {
            let (readout, p) = p.split_last().expect("it was added");
            let first = graph.apply(ScaleOp { factor: 1.5 }, &p[..1])?;
            let out = op(graph, &[&[first], &p[1..]].concat(), given)?;
            let logits = product(graph, Layout::NN, out, *readout)?;
            Objective::CrossEntropy.losses(graph, logits, given.labels, given.counters)
        })
    }

    fn start<E: Executor>(&self, mut executor: E) -> E {
        for (slot, values) in &self.words {
            executor.write_words(*slot, values).expect("the slot holds them");
        }
        for (slot, values) in self.numbers.iter().chain(&self.parameters) {
            executor.write_f32(*slot, values).expect("the slot holds them");
        }
        executor.run("all", 1).expect("it runs");
        executor
    }

    /// Losses, then the gradient of each parameter.
    fn outcome<E: Executor>(&self, executor: E) -> Vec<Vec<f64>> {
        let mut executor = self.start(executor);
        [self.losses].iter().chain(&self.gradients).map(|slot| real(&mut executor, *slot)).collect()
    }

    /// The first derivative, of those `derived` times `fault`, that differs from a central difference in f64.
    fn first_wrong(&self, fault: f64) -> Option<String> {
        let mut executor = self.start(CpuExecutor::<f64>::new(self.plan.clone()).expect("the plan is valid"));
        let derived: Vec<_> = self.gradients.iter().map(|slot| real(&mut executor, *slot)).collect();
        // Exact in f32, so that both sides of a difference are what they are said to be.
        let step = 1.0 / 16_384.0;
        for (number, ((slot, values), derived)) in self.parameters.iter().zip(&derived).enumerate() {
            for (i, derivative) in derived.iter().map(|derivative| derivative * fault).enumerate() {
                let mut mean_at = |offset: f32| {
                    let mut moved = values.clone();
                    moved[i] += offset;
                    executor.write_f32(*slot, &moved).expect("the slot holds them");
                    executor.run("all", 1).expect("it runs");
                    let mean = real(&mut executor, self.losses).iter().sum::<f64>() / ROWS as f64;
                    (f64::from(moved[i]), mean)
                };
                let ((low, below), (high, above)) = (mean_at(-step), mean_at(step));
                let difference = (above - below) / (high - low);
                // The error of a central difference is step^2 / 6 = 6e-10 of the third derivative.
                if (derivative - difference).abs() > 1e-6 * difference.abs().max(1.0) {
                    return Some(format!("parameter {number}[{i}]: derived {derivative}, by differences {difference}"));
                }
            }
            executor.write_f32(*slot, values).expect("the slot holds them");
        }
        None
    }

    fn check(&self, name: &str, gpu: &Arc<Gpu>) {
        assert_eq!(self.first_wrong(1.0), None, "{name}");
        assert!(self.first_wrong(1.001).is_some(), "{name}: the check is blind to a thousandth");
        let twins = self.outcome(CpuExecutor::<f32>::new(self.plan.clone()).expect("the plan is valid"));
        let executor = GpuExecutor::new(gpu.clone(), self.plan.clone(), Checks::On);
        let shaders = self.outcome(pollster::block_on(executor).expect("the plan is valid"));
        for (number, (twin, shader)) in twins.iter().zip(&shaders).enumerate() {
            let largest = twin.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
            let apart = twin.iter().zip(shader).map(|(twin, shader)| (twin - shader).abs());
            // A NaN is never within the bound.
            let within = apart.clone().all(|apart| apart <= 1e-5 * largest);
            assert!(within, "{name}, output {number}: {twin:?} of the twins, {shader:?} of the device");
        }
    }
}

fn real<E: Executor>(executor: &mut E, slot: SlotId) -> Vec<f64> {
    match pollster::block_on(executor.read(slot)) {
        Ok(Array::Real(values)) => values,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_op_has_the_gradients_of_finite_differences_on_every_device() {
    let gpu = common::gpu();
    for &(name, shapes, op) in OPS {
        Case::of_op(shapes, op).unwrap_or_else(|error| panic!("{name}: {error}")).check(name, &gpu);
    }
}

#[test]
fn every_loss_has_the_gradients_of_finite_differences_on_every_device() {
    let gpu = common::gpu();
    for &(name, shapes, loss) in LOSSES {
        Case::new(shapes, loss).unwrap_or_else(|error| panic!("{name}: {error}")).check(name, &gpu);
    }
}

/// The kernels of the registry that no plan of these entries uses.
fn unused_kernels(ops: &[Entry], losses: &[Entry]) -> BTreeSet<&'static str> {
    let ops = ops.iter().map(|&(_, shapes, op)| Case::of_op(shapes, op));
    let losses = losses.iter().map(|&(_, shapes, loss)| Case::new(shapes, loss));
    let mut unused: BTreeSet<_> = registry().into_iter().map(|kernel| kernel.name()).collect();
    for case in ops.chain(losses) {
        for dispatch in &case.expect("the shapes go together").plan.sections[0].dispatches {
            unused.remove(dispatch.kernel.name());
        }
    }
    unused
}

#[test]
fn every_kernel_takes_part_in_a_gradient_that_is_checked() {
    let excused: BTreeSet<_> = WITHOUT_GRADIENT.iter().map(|&(name, _)| name).collect();
    let unused = unused_kernels(OPS, LOSSES);
    assert_eq!(unused, excused, "on the left what no entry of OPS or LOSSES uses, on the right what none need use");
    let fewer: Vec<Entry> = OPS.iter().filter(|(name, _, _)| !name.starts_with("softplus")).copied().collect();
    let missing: Vec<_> = unused_kernels(&fewer, LOSSES).difference(&excused).copied().collect();
    let expected = ["matmul_nt_softplus_gradient", "softplus", "softplus_gradient"];
    assert_eq!(missing, expected, "the check is blind");
}

/// Training and evaluation meet in the running moments: these become the batch's, with the unbiased variance.
#[test]
fn a_batch_norm_evaluates_by_what_it_saw_in_training() {
    const RUNS: u32 = 400;
    let mut plan = Plan::default();
    let mut array = |name, role, shape: &[usize]| {
        plan.memory.array(name, role, DType::F32, Shape::new(shape)).expect("it is small")
    };
    let [a, weight, bias] = [&[4, 5][..], &[5], &[5]].map(|shape| array("parameter", Role::State, shape));
    let running = [0; 2].map(|_| array("running", Role::State, &[5]));
    let outputs = [0; 2].map(|_| array("out", Role::Transient, &[4, 5]));
    let counters = plan.memory.array("counters", Role::State, DType::U32, [4]).expect("it is small");
    for (section, out) in ["train", "evaluate"].into_iter().zip(outputs) {
        let mut graph = Graph::default();
        let [a, weight, bias, counters] = [a, weight, bias, counters].map(|slot| graph.leaf(&plan.memory, slot));
        let normed = if section == "train" {
            batch_norm(&mut graph, a, [weight, bias], running, counters)
        } else {
            let moments = running.map(|slot| graph.leaf(&plan.memory, slot));
            batch_norm_evaluate(&mut graph, a, [weight, bias], moments, counters)
        };
        let (graph, roots) = graph.simplify(&[normed.expect("the shapes go together")]);
        plan.begin(section);
        graph.lower(&mut plan, &mut Pool::default(), section, &[(roots[0], out)], &[]).expect("it can be lowered");
    }
    let mut executor = CpuExecutor::<f64>::new(plan).expect("the plan is valid");
    let values: Vec<f32> = (0..20).map(|i| (i % 7) as f32).collect();
    executor.write_words(counters, &[1, 0, 0, 4]).expect("the slot holds them");
    for (slot, values) in [(a, &values[..]), (weight, &[1.0; 5]), (running[1], &[1.0; 5])] {
        executor.write_f32(slot, values).expect("the slot holds them");
    }
    executor.run("train", 1).expect("it runs");
    let first_mean = f64::from(values.iter().step_by(5).sum::<f32>()) / 4.0;
    // The momentum is the f32 nearest to 0.1.
    assert!((real(&mut executor, running[0])[0] - 0.1 * first_mean).abs() < 1e-7, "one run is one update");
    executor.run("train", RUNS).expect("it runs");
    executor.run("evaluate", 1).expect("it runs");
    let [trained, evaluated] = outputs.map(|slot| real(&mut executor, slot));
    for (trained, evaluated) in trained.iter().zip(&evaluated) {
        // Of 4 rows, the unbiased variance is 4 / 3 of the batch's; epsilon is 1e-5 of it at most.
        assert!((trained * 0.75f64.sqrt() - evaluated).abs() < 1e-4, "{trained} in training, {evaluated} after");
    }
}
