//! Custom layers: shared tensors, named inputs, and errors.

use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::layer::{Layer, Linear};
use shadegrad::nn::{Init, Initializer, Model, ModelBuilder, ModelConfig, Signal, Signature};
use shadegrad::ops::matmul::{Operands, product};
use shadegrad::optim::{Sgd, UpdateConfig};
use shadegrad::plan::Executor;
use shadegrad::planner::{EvaluationSpec, TrainSpec, plan_training};
use shadegrad::shape::{Shape, TensorType};
use shadegrad::train::upload_weights;
use std::sync::Arc;

/// x W, with a square W shared by all layers of this kind.
#[derive(Debug)]
struct Shared(&'static str);

impl Layer for Shared {
    fn kind(&self) -> &'static str {
        "shared"
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let n = b.width(x)?;
        b.begin_shared(self.0);
        let weight = b.parameter("weight", [n, n], Init::Drawn(Initializer::Xavier))?;
        Ok(x.with(product(b.graph, Operands::NN, x.value, weight)?))
    }
}

/// Adds another input.
#[derive(Debug)]
struct AddInput(&'static str);

impl Layer for AddInput {
    fn kind(&self) -> &'static str {
        "add_input"
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let other = b.input(self.0)?;
        Ok(x.with(b.graph.apply(shadegrad::ops::elementwise::add::AddOp, &[x.value, other.value])?))
    }
}

fn config(layers: Vec<Arc<dyn Layer>>) -> ModelConfig {
    ModelConfig::new(layers)
}

fn tied() -> Model {
    let layers: Vec<Arc<dyn Layer>> =
        vec![Arc::new(Shared("tied")), Arc::new(Shared("tied")), Arc::new(Linear::new(None))];
    config(layers).build(6, 3).expect("the shapes go together")
}

#[test]
fn a_tensor_that_is_used_twice_is_declared_once() {
    let names: Vec<_> = tied().tensors().into_iter().map(|(name, shape)| format!("{name} {shape}")).collect();
    assert_eq!(names, ["tied.weight [6, 6]", "fc1.weight [6, 3]", "fc1.bias [3]"]);
}

/// An executor of a step and an evaluation of the same 8 images, with everything uploaded.
fn on_twins(model: &Model, weights: &[Vec<f32>]) -> CpuExecutor<f64> {
    let training = TrainSpec { update: UpdateConfig::new(Sgd::default(), 0.5), ..TrainSpec::new(8, 8, 1) };
    let training = TrainSpec { test: Some(EvaluationSpec { samples: 8, batch: 8 }), ..training };
    let plan = plan_training(model, &training, &Caps::unlimited()).expect("it is small").plan;
    let mut executor = CpuExecutor::<f64>::new(plan).expect("it fits");
    let bytes: Vec<u32> = (0..16u32).map(|i| i.wrapping_mul(0x9e37_79b9) | 0x0102).collect();
    for (name, words) in [("items", bytes), ("classes", vec![0x0100_0201, 0x0200_0102])] {
        for set in ["train", "test"] {
            let slot = executor.memory().find(&format!("{set}/{name}")).expect("the plan has it");
            executor.write_words(slot, &words).expect("it has this size");
        }
    }
    upload_weights(&mut executor, model, weights).expect("they are the model's");
    executor
}

fn numbers(executor: &mut CpuExecutor<f64>, name: &str) -> Vec<f64> {
    let slot = executor.memory().find(name).expect("the plan has it");
    match pollster::block_on(executor.read(slot)).expect("it can be read") {
        Array::Real(numbers) => numbers,
        Array::Word(_) => panic!("{name} holds words"),
    }
}

#[test]
fn gradients_of_all_uses_of_a_tensor_are_summed_and_it_is_updated_once() {
    let model = tied();
    let weights = model.initial(3);
    let mut executor = on_twins(&model, &weights);
    executor.run("train", 1).expect("it runs");
    let gradient = numbers(&mut executor, "gradients/tied.weight");
    let updated = numbers(&mut executor, "weights/tied.weight");
    let loss = |i: usize, change: f32| {
        let mut weights = weights.clone();
        weights[0][i] += change;
        let mut executor = on_twins(&model, &weights);
        executor.run("evaluate", 1).expect("it runs");
        (numbers(&mut executor, "test/metrics")[0], f64::from(weights[0][i]))
    };
    for i in 0..36 {
        let [(above, high), (below, low)] = [loss(i, 1e-3), loss(i, -1e-3)];
        let expected = (above - below) / (high - low);
        assert!((gradient[i] - expected).abs() <= 1e-6 + 1e-4 * expected.abs(), "{i}: {} {expected}", gradient[i]);
        let stepped = f64::from(weights[0][i]) - 0.5 * gradient[i];
        assert!((updated[i] - stepped).abs() <= 1e-12, "{i}: {} {stepped}", updated[i]);
    }
}

#[test]
fn inputs_are_taken_by_name() {
    let row = |width: usize| TensorType::f32([width]);
    let signature = |second: usize| Signature {
        inputs: vec![("left".to_owned(), row(4)), ("right".to_owned(), row(second))],
        outputs: 2,
    };
    let layers = |name| -> Vec<Arc<dyn Layer>> { vec![Arc::new(AddInput(name)), Arc::new(Linear::new(None))] };
    let model = config(layers("right")).build_for(signature(4)).expect("they can be added");
    assert_eq!(model.tensors()[0].1, Shape::from([4, 2]));
    assert!(config(layers("right")).build_for(signature(5)).is_err(), "their shapes differ");
    let error = config(layers("middle")).build_for(signature(4)).expect_err("there is none");
    assert_eq!(error.cause(), "layer 1: add_input: no input named `middle`");
    assert_eq!(error.advice(), "the model has left, right");
    let none = Signature { inputs: Vec::new(), outputs: 2 };
    assert!(config(layers("right")).build_for(none).is_err(), "the first layer has no input");
}

#[test]
fn a_shared_tensor_of_two_shapes_is_refused() {
    let layers: Vec<Arc<dyn Layer>> =
        vec![Arc::new(Shared("one")), Arc::new(Linear::new(Some(5))), Arc::new(Shared("one"))];
    let error = config(layers).build(6, 5).expect_err("6 and 5 wide");
    assert_eq!(
        error.cause(),
        "layer 3: shared: one.weight is used as [6, 6] of Drawn(Xavier) and as [5, 5] of Drawn(Xavier)"
    );
}
