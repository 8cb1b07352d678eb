//! The graph emits what was once recorded by hand, or less, and its passes change nothing but the cost.

mod by_hand;
mod common;

use by_hand::ByHand;
use shadegrad::cpu::CpuExecutor;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::graph::{Choices, Graph, Pool, Value};
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::{Activation, MlpConfig, Model, ModelConfig, batch_norm, flatten, layer_norm, linear};
use shadegrad::ops::counter;
use shadegrad::ops::elementwise::activation::{ActivationOp, SLOPE};
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::ops::elementwise::bias_add::BiasAddOp;
use shadegrad::ops::elementwise::column_sum::ColumnSumOp;
use shadegrad::ops::elementwise::relu::ReluOp;
use shadegrad::ops::elementwise::reshape::ReshapeOp;
use shadegrad::ops::elementwise::scale::ScaleOp;
use shadegrad::ops::matmul::{Operands, product};
use shadegrad::plan::{Executor, Memory, Plan, Role};
use shadegrad::planner::{EvaluationSpec, TrainSpec, plan_training};
use shadegrad::random::{Random, stream};
use shadegrad::shape::{DType, Shape};

const STEPS: u32 = 100;

fn training() -> TrainSpec {
    TrainSpec { seed: 5, ring: 128, ..TrainSpec::new(640, 64, 100) }
}

/// Weights and losses after a hundred steps of a plan on random images, as bits.
fn after_a_hundred_steps<E: Executor>(mut executor: E, model: &Model) -> (Vec<u64>, Vec<u32>) {
    let find = |executor: &E, name: &str| executor.memory().find(name).expect("the plan has the slot");
    let mut random = Random::new(3, stream::CASES);
    for name in ["train/items", "train/classes"] {
        let slot = find(&executor, name);
        let words = executor.memory().slot(slot).words;
        let byte = |random: &mut Random| if name == "train/items" { random.below(256) } else { random.below(10) };
        let data: Vec<u32> = (0..words).map(|_| (0..4).fold(0, |word, _| (word << 8) | byte(&mut random))).collect();
        executor.write_words(slot, &data).expect("the slot holds them");
    }
    for ((name, _), values) in model.tensors().iter().zip(model.initial(7)) {
        let slot = find(&executor, &format!("weights/{name}"));
        executor.write_f32(slot, &values).expect("the slot holds them");
    }
    let normalization = find(&executor, "normalisation");
    executor.write_f32(normalization, &[0.0, 1.0]).expect("the slot holds them");
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
        let model = Model::mlp(widths).expect("the widths are valid");
        let by_hand = || ByHand::new(&model).plan(training()).expect("the plan is valid");
        let derived = || plan_training(&model, &training(), &Caps::unlimited()).expect("the plan is valid").plan;
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
fn the_graph_needs_no_more_memory_than_was_recorded_by_hand() {
    let bytes = |plan: &Plan| plan.memory.buffers().iter().map(|buffer| 4 * buffer.words).sum::<usize>();
    for widths in
        [vec![784, 1024, 10], vec![784, 1024, 1024, 10], vec![784, 128, 10], vec![20, 33, 17, 10], vec![30, 10]]
    {
        let model = Model::mlp(widths).expect("the widths are valid");
        for batch in [1, 32, 128] {
            let training = TrainSpec { batch, ..training() };
            let by_hand = bytes(&ByHand::new(&model).plan(training.clone()).expect("the plan is valid"));
            let derived = bytes(&plan_training(&model, &training, &Caps::unlimited()).expect("the plan is valid").plan);
            // Beginning a step and gathering its batch at once takes counters of the last step besides.
            let allowed = by_hand + 4 * counter::COUNT;
            assert!(derived <= allowed, "{model}, batch {batch}: {derived} bytes, {by_hand} by hand");
        }
    }
}

#[test]
fn transients_are_reused_once_nobody_needs_them() {
    let model = Model::mlp([784, 256, 256, 256, 256, 10]).expect("the widths are valid");
    let bytes = |plan: Plan| {
        let transient = |buffer: &&shadegrad::plan::Buffer| buffer.role == Role::Transient;
        plan.memory.buffers().iter().filter(transient).map(|buffer| 4 * buffer.words).sum::<usize>()
    };
    let by_hand = bytes(ByHand::new(&model).plan(training()).expect("the plan is valid"));
    let derived = bytes(plan_training(&model, &training(), &Caps::unlimited()).expect("the plan is valid").plan);
    // Backward, each gradient can lie where the activation above it was: two of four layers' worth are saved.
    assert!(derived + 2 * 4 * 64 * 256 <= by_hand, "{derived} bytes of transients, {by_hand} by hand");
}

#[test]
fn passes_drop_what_is_dead_merge_what_is_equal_and_fuse() {
    let mut memory = Memory::default();
    let mut leaf = |graph: &mut Graph, shape: &[usize]| {
        let slot = memory.array("leaf", Role::Carried, DType::F32, Shape::new(shape)).expect("it is small");
        graph.leaf(&memory, slot)
    };
    let mut graph = Graph::default();
    let (x, w, b) = (leaf(&mut graph, &[4, 5]), leaf(&mut graph, &[5, 6]), leaf(&mut graph, &[6]));
    let relu_layer = |graph: &mut Graph| {
        let layer = linear(graph, x, w, b).expect("the shapes go together");
        graph.apply(ReluOp, &[layer]).expect("any shape does")
    };
    let (first, second) = (relu_layer(&mut graph), relu_layer(&mut graph));
    let sum = graph.apply(AddOp, &[first, second]).expect("one shape");
    let _dead = graph.apply(ReluOp, &[sum]).expect("any shape does");
    assert_eq!(graph.operations(), 8);
    let (simple, roots) = graph.simplify(&[sum]);
    // One product with bias and ReLU, and one sum.
    assert_eq!(simple.operations(), 2, "{}", simple.explain(&memory));
    assert_eq!(simple.shape(roots[0]), graph.shape(sum));
    // Where the sum before the ReLU is needed as well, the ReLU stays by itself.
    let layer = linear(&mut graph, x, w, b).expect("the shapes go together");
    let active = graph.apply(ReluOp, &[layer]).expect("any shape does");
    let (simple, _) = graph.simplify(&[layer, active]);
    assert_eq!(simple.operations(), 2, "{}", simple.explain(&memory));
}

#[test]
fn the_gradient_of_a_bias_comes_with_that_of_its_weight() {
    let mut memory = Memory::default();
    let mut leaf = |graph: &mut Graph, shape: &[usize]| {
        let slot = memory.array("leaf", Role::Carried, DType::F32, Shape::new(shape)).expect("it is small");
        graph.leaf(&memory, slot)
    };
    let mut graph = Graph::default();
    let (x, gradient) = (leaf(&mut graph, &[4, 5]), leaf(&mut graph, &[4, 6]));
    let of_bias = graph.apply(ColumnSumOp, &[gradient]).expect("any matrix does");
    let of_weight = product(&mut graph, Operands::TN, x, gradient).expect("the shapes go together");
    let doubled = graph.apply(AddOp, &[of_bias, of_bias]).expect("one shape");
    let (simple, roots) = graph.simplify(&[of_bias, of_weight, doubled]);
    assert_eq!(simple.operations(), 2, "{}", simple.explain(&memory));
    let shapes = |graph: &Graph, values: &[Value]| values.iter().map(|v| graph.shape(*v).clone()).collect::<Vec<_>>();
    assert_eq!(shapes(&simple, &roots), shapes(&graph, &[of_bias, of_weight, doubled]));
    // A product that needs the sums cannot be computed with them, nor can one of something else.
    let later = graph.apply(BiasAddOp, &[gradient, of_bias]).expect("the shapes go together");
    let of_later = product(&mut graph, Operands::TN, later, gradient).expect("the shapes go together");
    let other = product(&mut graph, Operands::TN, gradient, x).expect("the shapes go together");
    let (simple, _) = graph.simplify(&[of_later, other]);
    assert_eq!(simple.operations(), 4, "{}", simple.explain(&memory));
}

#[test]
fn activations_go_into_the_products_before_them() {
    let plan = |activation| {
        let blueprint = ModelConfig::mlp(&[33, 17], &MlpConfig { activation, ..MlpConfig::default() });
        let model = blueprint.build(20, 10).expect("the layers go together");
        let training = TrainSpec { test: Some(EvaluationSpec { samples: 12, batch: 5 }), ..training() };
        plan_training(&model, &training, &Caps::unlimited()).expect("the plan is valid").plan
    };
    let kernels = |plan: &Plan, section: &str| -> Vec<&str> {
        let section = plan.section(section).expect("the plan has it");
        section.dispatches.iter().map(|dispatch| dispatch.kernel.name()).collect()
    };
    let relu = plan(Activation::RELU);
    for activation in Activation::all().filter(|&activation| activation != Activation::RELU) {
        let (name, plan) = (activation.name(), plan(activation));
        let [train, evaluate] = ["train", "evaluate"].map(|section| kernels(&plan, section));
        let count = |kernels: &[&str], name: &str| kernels.iter().filter(|kernel| **kernel == name).count();
        assert_eq!(count(&train, &format!("matmul_nt_{name}_gradient")), 2, "{train:?}");
        assert_eq!(count(&evaluate, &format!("matmul_nn_bias_{name}")), 2, "{evaluate:?}");
        // Its gradient needs the sums before it, so that in training it is a dispatch for each of two hidden layers.
        assert_eq!(count(&train, name), 2, "{train:?}");
        assert_eq!(train.len(), kernels(&relu, "train").len() + 2, "{train:?}");
        assert_eq!(evaluate.len(), kernels(&relu, "evaluate").len(), "{evaluate:?}");
    }
}

#[test]
fn an_activation_of_another_slope_than_products_know_stays_by_itself() {
    let mut memory = Memory::default();
    let mut leaf = |graph: &mut Graph, shape: &[usize]| {
        let slot = memory.array("leaf", Role::Carried, DType::F32, Shape::new(shape)).expect("it is small");
        graph.leaf(&memory, slot)
    };
    for (slope, operations) in [(SLOPE, 1), (0.3, 2)] {
        let mut graph = Graph::default();
        let (x, w, b) = (leaf(&mut graph, &[4, 5]), leaf(&mut graph, &[5, 6]), leaf(&mut graph, &[6]));
        let layer = linear(&mut graph, x, w, b).expect("the shapes go together");
        let op = ActivationOp::named("leaky_relu", slope).expect("there is one");
        let active = graph.apply(op, &[layer]).expect("any shape does");
        assert_eq!(graph.simplify(&[active]).0.operations(), operations, "a slope of {slope}");
    }
}

#[test]
fn scales_become_one_and_a_scale_by_one_nothing() {
    let mut plan = Plan::default();
    let [x, out] =
        ["x", "out"].map(|name| plan.memory.array(name, Role::Carried, DType::F32, [3]).expect("it is small"));
    plan.begin("all");
    let mut dispatches = |factors: &[f32]| {
        let mut graph = Graph::default();
        let leaf = graph.leaf(&plan.memory, x);
        let mut scale = |x, &factor: &f32| graph.apply(ScaleOp { factor }, &[x]).expect("any shape does");
        let scaled = factors.iter().fold(leaf, &mut scale);
        let active = graph.apply(ReluOp, &[scaled]).expect("any shape does");
        let (graph, roots) = graph.simplify(&[active]);
        let before = plan.sections[0].dispatches.len();
        graph
            .lower(&mut plan, &mut Pool::default(), "all", &[(roots[0], out)], &[], &Choices::default())
            .expect("it can be lowered");
        plan.sections[0].dispatches.len() - before
    };
    assert_eq!([&[][..], &[1.0], &[3.0], &[3.0, 0.5, -7.0], &[4.0, 0.25]].map(&mut dispatches), [1, 1, 2, 2, 1]);
    // Their product is no number of f32, though what they make of x may be.
    assert_eq!([&[1e30, 1e30][..], &[1e-30, 1e-30]].map(&mut dispatches), [3, 3]);
    let mut executor = CpuExecutor::<f64>::new(plan).expect("the plan is valid");
    executor.write_f32(x, &[1.0, -1.0, 3.0]).expect("the slot holds them");
    executor.run("all", 1).expect("it runs");
}

#[test]
fn what_changes_state_is_never_shared() {
    let mut memory = Memory::default();
    let mut array = |shape: &[usize]| memory.array("a", Role::Carried, DType::F32, Shape::new(shape)).expect("small");
    let [x, weight, bias, mean, variance] = [&[4, 5][..], &[5], &[5], &[5], &[5]].map(&mut array);
    let counters = memory.array("counters", Role::Carried, DType::U32, [4]).expect("it is small");
    let mut graph = Graph::default();
    let [x, weight, bias, counters] = [x, weight, bias, counters].map(|slot| graph.leaf(&memory, slot));
    let mut pair = |layer: &dyn Fn(&mut Graph) -> Value| {
        let both = [layer(&mut graph), layer(&mut graph)];
        let sum = graph.apply(AddOp, &both).expect("one shape");
        graph.simplify(&[sum]).0.operations()
    };
    assert_eq!(pair(&|graph| layer_norm(graph, x, weight, bias).expect("they fit")), 2);
    let normed = |graph: &mut Graph| batch_norm(graph, x, [weight, bias], [mean, variance], counters);
    assert_eq!(pair(&|graph| normed(graph).expect("they fit")), 3);
}

#[test]
fn a_view_keeps_the_memory_that_it_shows() {
    let mut plan = Plan::default();
    let mut array = |role| plan.memory.array("a", role, DType::F32, [2, 2, 3]).expect("it is small");
    let [x, out] = [array(Role::Carried), array(Role::Transient)];
    let kept = plan.memory.view(out, "kept", [12]).expect("it is as big");
    let mut graph = Graph::default();
    let leaf = graph.leaf(&plan.memory, x);
    let mut add = |a, b| graph.apply(AddOp, &[a, b]).expect("one shape");
    // The view's memory would be taken, were it free: before its use but for that, and after it but for `keep`.
    let double = add(leaf, leaf);
    let fourfold = add(double, double);
    let view = flatten(&mut graph, fourfold).expect("it has rows");
    let mut add = |a, b| graph.apply(AddOp, &[a, b]).expect("one shape");
    let other = add(leaf, leaf);
    let other = add(other, leaf);
    let other = flatten(&mut graph, other).expect("it has rows");
    let mut sum = graph.apply(AddOp, &[view, other]).expect("one shape");
    for _ in 0..2 {
        sum = graph.apply(AddOp, &[sum, other]).expect("one shape");
    }
    // What is stored elsewhere cannot be a view, and is copied.
    let stored = graph.apply(ReshapeOp(Shape::from([12])), &[sum]).expect("it has as many elements");
    plan.begin("all");
    let mut lower =
        |stores: &[_]| graph.lower(&mut plan, &mut Pool::default(), "all", stores, &[view], &Choices::default());
    for refused in [&[(stored, out), (stored, kept)], &[(leaf, kept), (stored, out)]] {
        let error = lower(refused).expect_err("one slot would never be written");
        assert!(error.cause().contains("kept"), "{error}");
    }
    let lowered = lower(&[(stored, kept)]).expect("it fits");
    assert_eq!(plan.sections[0].dispatches.len(), 8, "seven sums and a copy: views are free");
    let [view, fourfold] = [view, fourfold].map(|value| lowered.slot(value).expect("it was lowered"));
    assert_eq!(plan.memory.slot(view).buffer, plan.memory.slot(fourfold).buffer);
    let mut executor = CpuExecutor::<f32>::new(plan).expect("the plan is valid");
    executor.write_f32(x, &[1.0; 12]).expect("the slot holds them");
    executor.run("all", 1).expect("it runs");
    for (slot, expected) in [(kept, 13.0), (view, 4.0)] {
        match pollster::block_on(executor.read(slot)).expect("it can be read") {
            Array::Real(values) => assert_eq!(values, [expected; 12]),
            Array::Word(_) => panic!("sums are numbers"),
        }
    }
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let mut memory = Memory::default();
    let mut graph = Graph::default();
    let mut leaf = |graph: &mut Graph, shape: [usize; 2]| {
        let slot = memory.array("leaf", Role::Carried, DType::F32, shape).expect("it is small");
        graph.leaf(&memory, slot)
    };
    let (a, b) = (leaf(&mut graph, [4, 5]), leaf(&mut graph, [4, 6]));
    let says = |error: shadegrad::error::Error, words: &str| assert!(error.cause().contains(words), "{error}");
    says(product(&mut graph, Operands::NN, a, b).expect_err("5 is not 4"), "cannot multiply [4, 5] and [4, 6]");
    says(graph.apply(AddOp, &[a, b]).expect_err("two shapes"), "cannot add [4, 6] to [4, 5]");
    let active = graph.apply(ReluOp, &[a]).expect("any shape does");
    says(graph.seeds(active).expect_err("no loss"), "ReluOp is not a loss");
}
