//! Inference: the outputs of a trained model, in batches of any size.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::error::{Kind, Result};
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::infer::{AccuracyScore, Score as _, Session};
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::layer::{Activate, BatchNorm, Layer, Linear};
use shadegrad::nn::{ModelBuilder, ModelConfig, Normalization, Signal, Signature};
use shadegrad::ops::elementwise::add::AddOp;
use shadegrad::plan::{Executor, Plan};
use shadegrad::planner::Phase;
use shadegrad::shape::TensorType;
use shadegrad::train::{TrainConfig, Trainer};
use std::sync::Arc;

/// How far logits of two batch sizes, whose sums may be of other orders, may lie apart: a hundred roundings.
const APART: f32 = 1e-5;

fn config() -> TrainConfig {
    let layers: [Arc<dyn Layer>; 4] = [
        Arc::new(Linear::new(Some(24))),
        Arc::new(BatchNorm),
        Arc::new(Activate("gelu".parse().expect("it is known"))),
        Arc::new(Linear::new(None)),
    ];
    let (model, normalize) = (ModelConfig::new(layers), Normalization::Standard);
    TrainConfig { model, normalize, epochs: 3, infer: vec![8, 64], ..TrainConfig::default() }
}

fn data() -> Dataset {
    digits(7).first(1500, 300)
}

fn on_cpu(plan: Plan) -> CpuExecutor<f32> {
    CpuExecutor::new(plan).expect("it is sound")
}

fn on_gpu(plan: Plan) -> GpuExecutor {
    pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("it fits the device")
}

fn trained<E: Executor>(new: impl Fn(Plan) -> E, data: &Dataset) -> Trainer<E> {
    let (model, plan) = Trainer::<E>::plan(&config(), data, &Caps::portable()).expect("the settings are valid");
    let mut trainer = Trainer::new(new(plan), model, config(), data).expect("the data fit");
    pollster::block_on(trainer.train(|_| Ok(()))).expect("training ends well");
    trainer
}

/// The bits of numbers.
fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn the_outputs_are_those_of_evaluation<E: Executor>(new: impl Fn(Plan) -> E, plan_of: impl Fn(&E) -> &Plan) {
    let data = data();
    let test = data.test().expect("there are test items");
    let mut trainer = trained(&new, &data);
    let tested = pollster::block_on(trainer.test(test.len())).expect("it can be tested");
    // What the last batch of the evaluation, of 44 rows, has left.
    let section = plan_of(trainer.executor()).section(&Phase::Evaluate.name()).expect("it evaluates");
    let logits = section.dispatches.iter().find_map(|dispatch| dispatch.slot("logits")).expect("a loss has logits");
    let normalization = pollster::block_on(trainer.normalization()).expect("it can be read");
    assert!(normalization[1] > 0.0 && normalization != [0.0, 1.0], "{normalization:?}");
    let weights = pollster::block_on(trainer.weights()).expect("they can be read");
    let mut executor = trainer.into_executor();
    let evaluated = match pollster::block_on(executor.read(logits)).expect("it can be read") {
        Array::Real(numbers) => numbers,
        Array::Word(_) => panic!("logits are numbers"),
    };
    let model = config().model.build(784, 10).expect("the shapes go together");
    let up = executor.traffic().up;
    let caps = Caps::portable();
    let mut session = pollster::block_on(Session::after(executor, &model, &caps)).expect("it is the same model");
    let rows = session.normalized(test.inputs()[0].bytes().expect("digits are bytes"));
    let outputs = pollster::block_on(session.infer(&[&rows])).expect("it infers");
    assert_eq!((outputs.rows(), outputs.columns()), (300, 10));
    for (found, expected) in outputs.logits()[256 * 10..].iter().zip(&evaluated[..44 * 10]) {
        assert!((found - *expected as f32).abs() <= APART * expected.abs().max(1.0) as f32, "{found} {expected}");
    }
    for (row, logits) in outputs.probabilities().chunks_exact(10).zip(outputs.logits().chunks_exact(10)) {
        let sum: f32 = logits.iter().map(|z| z.exp()).sum();
        assert!(row.iter().zip(logits).all(|(p, z)| (p - z.exp() / sum).abs() < 1e-5), "{row:?} {logits:?}");
    }
    let classes: Vec<usize> = (0..300).map(|i| test.targets().class(i).expect("it is a class")).collect();
    assert_eq!(AccuracyScore.of(&outputs, &classes), tested.accuracy());
    assert!(tested.accuracy() > 0.5, "{tested:?}");
    // Besides parameters of kernels and the rows of four batches of 64 and one of 44, padded, nothing was uploaded.
    let after = session.into_executor();
    let sent = (after.traffic().up - up) as usize;
    let dispatches: usize = plan_of(&after).sections.iter().map(|section| section.dispatches.len()).sum();
    assert!([0, 256 * dispatches + 5 * (4 * 64 * 784 + 16)].contains(&sent), "{sent} bytes, {dispatches} dispatches");
    // The same weights out of a file give the same bits.
    let weights: Vec<Vec<f32>> = weights.into_iter().map(|(_, _, values)| values).collect();
    let plan = Session::<E>::plan(&model, &Caps::portable()).expect("the sizes fit").plan;
    let mut again = pollster::block_on(Session::new(new(plan), &model, &weights)).expect("it is the same model");
    let read_back = pollster::block_on(again.infer(&[&rows])).expect("it infers");
    assert_eq!(bits(read_back.logits()), bits(outputs.logits()));
}

#[test]
fn the_outputs_are_those_of_evaluation_on_the_device() {
    the_outputs_are_those_of_evaluation(on_gpu, GpuExecutor::plan);
}

#[test]
fn the_outputs_are_those_of_evaluation_on_the_cpu() {
    the_outputs_are_those_of_evaluation(on_cpu, CpuExecutor::plan);
}

fn a_row_has_the_same_bits_alone_and_among_others<E: Executor>(new: impl Fn(Plan) -> E) {
    let data = data();
    let mut trainer = trained(&new, &data);
    let bytes = data.test().expect("there are test items").inputs()[0].bytes().expect("digits are bytes").to_vec();
    let mut session = pollster::block_on(trainer_session(&mut trainer, &new)).expect("it is the same model");
    let rows = session.normalized(&bytes);
    let mut infer = |from: usize, to: usize| {
        let outputs = pollster::block_on(session.infer(&[&rows[784 * from..784 * to]])).expect("it infers");
        (bits(outputs.logits()), bits(outputs.probabilities()))
    };
    // Batches of 8: row 4 among five, among two and among eight.
    let row = |(logits, probabilities): (Vec<u32>, Vec<u32>), i: usize| {
        (logits[10 * i..10 * i + 10].to_vec(), probabilities[10 * i..10 * i + 10].to_vec())
    };
    let among_five = row(infer(0, 5), 4);
    assert_eq!(row(infer(4, 6), 0), among_five);
    assert_eq!(row(infer(3, 11), 1), among_five);
    // Batches of 64: a full one, a part of one, and the rest behind a full one.
    let full = infer(0, 64);
    assert_eq!(row(infer(20, 50), 3), row(full.clone(), 23));
    assert_eq!(row(infer(0, 100), 23), row(full, 23));
    assert_eq!(row(infer(0, 100), 70), row(infer(64, 100), 6));
}

/// A session beside a trainer, of its weights.
async fn trainer_session<E: Executor>(trainer: &mut Trainer<E>, new: impl Fn(Plan) -> E) -> Result<Session<E>> {
    let weights: Vec<_> = trainer.weights().await?.into_iter().map(|(_, _, values)| values).collect();
    let model = config().model.build(784, 10)?;
    Session::new(new(Session::<E>::plan(&model, &Caps::portable())?.plan), &model, &weights).await
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others_on_the_device() {
    a_row_has_the_same_bits_alone_and_among_others(on_gpu);
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others_on_the_cpu() {
    a_row_has_the_same_bits_alone_and_among_others(on_cpu);
}

#[test]
fn a_model_infers_while_it_is_trained() {
    let data = data();
    let (model, plan) = Trainer::<CpuExecutor<f32>>::plan(&config(), &data, &Caps::portable()).expect("valid");
    let mut trainer = Trainer::new(on_cpu(plan), model, config(), &data).expect("the data fit");
    let row = vec![0.25; 784];
    let before = pollster::block_on(trainer.infer(&[&row])).expect("it infers");
    pollster::block_on(trainer.train(|_| Ok(()))).expect("training ends well");
    let after = pollster::block_on(trainer.infer(&[&row])).expect("it infers");
    assert_ne!(before, after, "it has learned");
    let mut session = pollster::block_on(trainer.into_session(&Caps::portable())).expect("it goes on");
    let two = pollster::block_on(session.infer(&[&row.repeat(2)])).expect("it infers");
    assert_eq!(bits(&two.logits()[..10]), bits(after.logits()), "both in a batch of 8");
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
        Ok(x.with(b.graph.apply(AddOp, &[x.value, other.value])?))
    }
}

#[test]
fn a_model_of_two_inputs_infers_from_both() {
    let inputs = ["left", "right"].map(|name| (name.to_owned(), TensorType::f32([3])));
    let signature = Signature { inputs: inputs.to_vec(), outputs: 2 };
    let layers: [Arc<dyn Layer>; 2] = [Arc::new(AddInput("right")), Arc::new(Linear::new(None))];
    let model = ModelConfig::new(layers).build_for(signature).expect("they can be added");
    let plan = Session::<CpuExecutor<f32>>::plan(&model, &Caps::unlimited()).expect("it is small").plan;
    let mut session = pollster::block_on(Session::new(on_cpu(plan), &model, &model.initial(1))).expect("its weights");
    let mut infer = |left: &[f32], right: &[f32]| pollster::block_on(session.infer(&[left, right]));
    let (left, right) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5, 0.5, 0.5, -1.0, -1.0, -1.0]);
    let sum: Vec<f32> = left.iter().zip(right).map(|(a, b)| a + b).collect();
    let outputs = infer(&left, &right).expect("two rows of each");
    assert_eq!(outputs, infer(&sum, &[0.0; 6]).expect("two rows of each"));
    assert_ne!(outputs, infer(&left, &[0.0; 6]).expect("two rows of each"));
    for (left, right) in [(&left[..], &right[..3]), (&left[..4], &right[..4]), (&left[..5], &right[..])] {
        let error = infer(left, right).expect_err("not as many whole rows");
        assert!(error.kind() == Kind::Usage && error.advice().contains("whole rows"), "{error}");
    }
    let error = pollster::block_on(session.infer(&[&left])).expect_err("one is missing");
    assert_eq!(error.cause(), "1 inputs for a model of 2");
    let none = pollster::block_on(session.infer(&[&[], &[]])).expect("no rows");
    assert_eq!((none.rows(), none.classes()), (0, Vec::new()));
}
