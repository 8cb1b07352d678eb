//! The graph emits what was once recorded by hand, or less, and its gradients are those of the functions it computes.

mod by_hand;
mod common;

use by_hand::ByHand;
use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::graph::{Graph, Pool, Value};
use shadegrad::kernel::Array;
use shadegrad::nn::{Mlp, Optimisation, Training, linear};
use shadegrad::ops::add::Add;
use shadegrad::ops::matmul::{Layout, product};
use shadegrad::ops::relu::Relu;
use shadegrad::ops::softmax_cross_entropy::SoftmaxCrossEntropy;
use shadegrad::plan::{Executor, Memory, Plan, Role, SlotId};
use shadegrad::random::{Random, stream};
use shadegrad::shape::{DType, Shape};
use std::sync::Arc;

const STEPS: u32 = 100;

fn training() -> Training {
    let optimisation = Optimisation::default();
    Training {
        samples: 640,
        batch: 64,
        learning_rate: 1e-3,
        optimisation,
        steps: 100,
        seed: 5,
        ring: 128,
        augment: None,
    }
}

/// Weights and losses after a hundred steps of a plan on random images, as bits.
fn after_a_hundred_steps<E: Executor>(mut executor: E, model: &Mlp) -> (Vec<u64>, Vec<u32>) {
    let find = |executor: &E, name: &str| executor.memory().find(name).expect("the plan has the slot");
    let mut random = Random::new(3, stream::CASES);
    for name in ["train/images", "train/classes"] {
        let slot = find(&executor, name);
        let words = executor.memory().slot(slot).words;
        let byte = |random: &mut Random| if name == "train/images" { random.below(256) } else { random.below(10) };
        let data: Vec<u32> = (0..words).map(|_| (0..4).fold(0, |word, _| (word << 8) | byte(&mut random))).collect();
        executor.write_words(slot, &data).expect("the slot holds them");
    }
    for ((name, _), values) in model.tensors().iter().zip(model.initial(7)) {
        let slot = find(&executor, &format!("weights/{name}"));
        executor.write_f32(slot, &values).expect("the slot holds them");
    }
    executor.run("train", STEPS).expect("it runs");
    let mut weights = Vec::new();
    for (name, _) in model.tensors() {
        let slot = find(&executor, &format!("weights/{name}"));
        match pollster::block_on(executor.read(slot)).expect("it can be read") {
            Array::Real(values) => weights.extend(values),
            Array::Word(_) => panic!("weights are numbers"),
        }
    }
    let metrics = find(&executor, "train/metrics");
    let metrics = executor.fetch(metrics, 0, 2 * STEPS as usize).expect("it can be read");
    let metrics = pollster::block_on(metrics).expect("it arrives");
    (weights.iter().map(|w| w.to_bits()).collect(), metrics.iter().map(|m| m.to_bits()).collect())
}

#[test]
fn the_graph_does_what_was_recorded_by_hand_bit_for_bit() {
    for widths in [vec![784, 128, 10], vec![20, 33, 17, 10], vec![30, 10]] {
        let model = Mlp::new(widths).expect("the widths are valid");
        let by_hand = || ByHand::new(&model).plan(training()).expect("the plan is valid");
        let derived = || model.plan(Some(training()), None).expect("the plan is valid");
        let dispatches = |plan: &Plan| plan.sections[0].dispatches.len();
        assert!(dispatches(&derived()) <= dispatches(&by_hand()), "{model}: more dispatches than by hand");
        let cpu = |plan| CpuExecutor::<f32>::new(plan).expect("the plan is valid");
        let gpu = |plan| pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("it is valid");
        let reference = after_a_hundred_steps(cpu(by_hand()), &model);
        assert!(reference == after_a_hundred_steps(cpu(derived()), &model), "{model}: the twins part");
        let reference = after_a_hundred_steps(gpu(by_hand()), &model);
        assert!(reference == after_a_hundred_steps(gpu(derived()), &model), "{model}: the shaders part");
    }
}

#[test]
fn transients_are_reused_once_nobody_needs_them() {
    let model = Mlp::new([784, 256, 256, 256, 256, 10]).expect("the widths are valid");
    let bytes = |plan: Plan| {
        let transient = |buffer: &&shadegrad::plan::Buffer| buffer.role == Role::Transient;
        plan.memory.buffers().iter().filter(transient).map(|buffer| 4 * buffer.words).sum::<usize>()
    };
    let by_hand = bytes(ByHand::new(&model).plan(training()).expect("the plan is valid"));
    let derived = bytes(model.plan(Some(training()), None).expect("the plan is valid"));
    // Backward, each gradient can lie where the activation above it was: two of four layers' worth are saved.
    assert!(derived + 2 * 4 * 64 * 256 <= by_hand, "{derived} bytes of transients, {by_hand} by hand");
}

/// A graph over parameters in an arena, whose last op is a softmax cross-entropy over `labels [rows]`.
struct Small {
    memory: Memory,
    parameters: Vec<(SlotId, Vec<f32>)>,
    rows: usize,
}

impl Small {
    fn new(rows: usize, shapes: &[&[usize]]) -> Self {
        let mut memory = Memory::default();
        let mut random = Random::new(11, stream::CASES);
        let mut parameter = |shape: &[usize]| {
            let slot = memory.array("parameter", Role::State, DType::F32, Shape::new(shape)).expect("it is small");
            // Away from zero, where ReLU has no derivative.
            let away = |x: f32| if x.abs() < 0.05 { x + 0.1f32.copysign(x) } else { x };
            (slot, (0..memory.slot(slot).words).map(|_| away(random.normal() as f32)).collect())
        };
        let parameters = shapes.iter().map(|shape| parameter(shape)).collect();
        Self { memory, parameters, rows }
    }

    /// Checks every derivative of the mean loss of the logits that `build` makes, by central differences in f64.
    fn check(self, build: impl Fn(&mut Graph, &[Value]) -> Result<Value>) {
        let mut memory = self.memory;
        let labels = memory.array("labels", Role::Data, DType::U32, [self.rows]).expect("it is small");
        let counters = memory.array("counters", Role::State, DType::U32, [4]).expect("it is small");
        let mut graph = Graph::default();
        let values: Vec<_> = self.parameters.iter().map(|(slot, _)| graph.leaf(&memory, *slot)).collect();
        let [label_leaf, counter_leaf] = [labels, counters].map(|slot| graph.leaf(&memory, slot));
        let logits = build(&mut graph, &values).expect("the shapes go together");
        let losses = graph.apply(SoftmaxCrossEntropy, &[logits, label_leaf, counter_leaf]).expect("they fit");
        let gradients = graph.gradients(losses, &values, Arc::new(Add)).expect("every op has a gradient");
        let roots: Vec<_> = [losses].into_iter().chain(gradients).collect();
        let (graph, roots) = graph.simplify(&roots);
        let mut stores = Vec::new();
        for (root, name) in roots.iter().zip(0..) {
            let slot = memory.array(&name.to_string(), Role::Transient, DType::F32, graph.shape(*root).clone());
            stores.push((*root, slot.expect("it is small")));
        }
        let mut plan = Plan::new(memory);
        plan.begin("all");
        graph.lower(&mut plan, &mut Pool::default(), "all", &stores, &[]).expect("it can be lowered");
        let mut executor = CpuExecutor::<f64>::new(plan).expect("the plan is valid");
        let used: Vec<u32> = (0..self.rows as u32).map(|row| row % 3).collect();
        executor.write_words(labels, &used).expect("the slot holds them");
        executor.write_words(counters, &[1, 0, 0, self.rows as u32]).expect("the slot holds them");
        for (slot, values) in &self.parameters {
            executor.write_f32(*slot, values).expect("the slot holds them");
        }
        let real = |executor: &mut CpuExecutor<f64>, slot| match pollster::block_on(executor.read(slot)) {
            Ok(Array::Real(values)) => values,
            other => panic!("{other:?}"),
        };
        executor.run("all", 1).expect("it runs");
        let derived: Vec<Vec<f64>> = stores[1..].iter().map(|(_, slot)| real(&mut executor, *slot)).collect();
        // Exact in f32, so that both sides of a difference are what they are said to be.
        let step = 1.0 / 16_384.0;
        for ((slot, values), derived) in self.parameters.iter().zip(&derived) {
            for (i, &derivative) in derived.iter().enumerate() {
                let mut mean_at = |offset: f32| {
                    let mut moved = values.clone();
                    moved[i] += offset;
                    executor.write_f32(*slot, &moved).expect("the slot holds them");
                    executor.run("all", 1).expect("it runs");
                    let mean = real(&mut executor, stores[0].1).iter().sum::<f64>() / self.rows as f64;
                    (f64::from(moved[i]), mean)
                };
                let ((low, below), (high, above)) = (mean_at(-step), mean_at(step));
                let difference = (above - below) / (high - low);
                assert!(
                    (derivative - difference).abs() <= 1e-6 * difference.abs().max(1.0),
                    "element {i}: derived {derivative}, by differences {difference}"
                );
                executor.write_f32(*slot, values).expect("the slot holds them");
            }
        }
    }
}

#[test]
fn gradients_of_layers_are_those_of_finite_differences() {
    Small::new(4, &[&[4, 5], &[5, 6], &[6], &[6, 3], &[3]]).check(|graph, p| {
        let hidden = linear(graph, p[0], p[1], p[2])?;
        let hidden = graph.apply(Relu, &[hidden])?;
        linear(graph, hidden, p[3], p[4])
    });
}

#[test]
fn gradients_of_every_layout_of_a_product_are_right() {
    Small::new(4, &[&[4, 5], &[5, 3]]).check(|graph, p| product(graph, Layout::NN, p[0], p[1]));
    Small::new(4, &[&[5, 4], &[5, 3]]).check(|graph, p| product(graph, Layout::TN, p[0], p[1]));
    Small::new(4, &[&[4, 5], &[3, 5]]).check(|graph, p| product(graph, Layout::NT, p[0], p[1]));
}

#[test]
fn a_value_used_twice_gets_both_gradients() {
    // x reaches the loss through the product and past it, and the weight is tied: it is used forwards and transposed.
    Small::new(3, &[&[3, 3], &[3, 3]]).check(|graph, p| {
        let forwards = product(graph, Layout::NN, p[0], p[1])?;
        let hidden = graph.apply(Relu, &[forwards])?;
        let back = product(graph, Layout::NT, hidden, p[1])?;
        let sum = graph.apply(Add, &[back, p[0]])?;
        graph.apply(Add, &[sum, sum])
    });
}

#[test]
fn passes_drop_what_is_dead_merge_what_is_equal_and_fuse() {
    let mut memory = Memory::default();
    let mut leaf = |graph: &mut Graph, shape: &[usize]| {
        let slot = memory.array("leaf", Role::State, DType::F32, Shape::new(shape)).expect("it is small");
        graph.leaf(&memory, slot)
    };
    let mut graph = Graph::default();
    let (x, w, b) = (leaf(&mut graph, &[4, 5]), leaf(&mut graph, &[5, 6]), leaf(&mut graph, &[6]));
    let relu_layer = |graph: &mut Graph| {
        let layer = linear(graph, x, w, b).expect("the shapes go together");
        graph.apply(Relu, &[layer]).expect("any shape does")
    };
    let (first, second) = (relu_layer(&mut graph), relu_layer(&mut graph));
    let sum = graph.apply(Add, &[first, second]).expect("one shape");
    let _dead = graph.apply(Relu, &[sum]).expect("any shape does");
    assert_eq!(graph.operations(), 8);
    let (simple, roots) = graph.simplify(&[sum]);
    // One product with bias and ReLU, and one sum.
    assert_eq!(simple.operations(), 2, "{}", simple.explain(&memory));
    assert_eq!(simple.shape(roots[0]), graph.shape(sum));
    // Where the sum before the ReLU is needed as well, the ReLU stays by itself.
    let layer = linear(&mut graph, x, w, b).expect("the shapes go together");
    let active = graph.apply(Relu, &[layer]).expect("any shape does");
    let (simple, _) = graph.simplify(&[layer, active]);
    assert_eq!(simple.operations(), 2, "{}", simple.explain(&memory));
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let mut memory = Memory::default();
    let mut graph = Graph::default();
    let mut leaf = |graph: &mut Graph, shape: [usize; 2]| {
        let slot = memory.array("leaf", Role::State, DType::F32, shape).expect("it is small");
        graph.leaf(&memory, slot)
    };
    let (a, b) = (leaf(&mut graph, [4, 5]), leaf(&mut graph, [4, 6]));
    let says = |error: shadegrad::error::Error, words: &str| assert!(error.cause().contains(words), "{error}");
    says(product(&mut graph, Layout::NN, a, b).expect_err("5 is not 4"), "a product of [4, 5] and [4, 6]");
    says(graph.apply(Add, &[a, b]).expect_err("two shapes"), "[4, 6] added to [4, 5]");
    let active = graph.apply(Relu, &[a]).expect("any shape does");
    says(graph.gradients(active, &[a], Arc::new(Add)).expect_err("no loss"), "is not a loss");
}
