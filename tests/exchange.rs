//! Switching plans on a device: what is kept, by name, and that none of it passes through the host.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::digits;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::infer::Session;
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::ModelConfig;
use shadegrad::nn::layer::{BatchNorm, Layer, Linear};
use shadegrad::ops::batch::step_state::{StepStateKernel, StepStateParams};
use shadegrad::ops::elementwise::column_sum::{ColumnSumKernel, ColumnSumParams};
use shadegrad::ops::loss::softmax_cross_entropy::{SoftmaxCrossEntropyKernel, SoftmaxCrossEntropyParams};
use shadegrad::ops::matmul::{self, MatmulParams};
use shadegrad::ops::update::adam::{AdamKernel, AdamParams};
use shadegrad::ops::{counter, rate};
use shadegrad::plan::{Arena, Executor, Keep, Memory, Plan, Role, SlotId};
use shadegrad::planner::InferenceSlots;
use shadegrad::random::Random;
use shadegrad::shape::{DType, Shape};
use shadegrad::train::{TrainConfig, Trainer};
use std::sync::Arc;

const BATCH: u32 = 12;
const WIDTHS: [u32; 3] = [20, 17, 5];

/// Names and shapes of the parameters.
fn tensors() -> Vec<(String, Shape)> {
    let layer = |i: usize| {
        let [inputs, outputs] = [WIDTHS[i], WIDTHS[i + 1]].map(|width| width as usize);
        [(format!("{i}.weight"), Shape::from([inputs, outputs])), (format!("{i}.bias"), Shape::from([outputs]))]
    };
    (0..2).flat_map(layer).collect()
}

fn array(memory: &mut Memory, name: &str, role: Role, rows: u32, columns: u32) -> Result<SlotId> {
    memory.array(name, role, DType::F32, [rows as usize, columns as usize])
}

/// Records the forward pass over `x`; returns the outputs of the hidden and the last layer.
fn record_forward(plan: &mut Plan, x: SlotId, weights: &[SlotId], rows: u32, prefix: &str) -> Result<[SlotId; 2]> {
    let [hidden, logits] = [1, 2].map(|i| {
        let name = format!("{prefix}/output{i}");
        array(&mut plan.memory, &name, Role::Transient, rows, WIDTHS[i]).expect("it is small")
    });
    let bindings =
        |layer: usize, a, out| [("a", a), ("b", weights[2 * layer]), ("bias", weights[2 * layer + 1]), ("out", out)];
    let product = |layer: usize| MatmulParams { m: rows, k: WIDTHS[layer], n: WIDTHS[layer + 1] };
    plan.dispatch("hidden", &matmul::NN_BIAS_RELU, product(0), &bindings(0, x, hidden))?;
    plan.dispatch("logits", &matmul::NN_BIAS, product(1), &bindings(1, hidden, logits))?;
    Ok([hidden, logits])
}

/// Adds to `plan` an inference over `rows` rows of the input `NAME/x`.
fn record_inference(plan: &mut Plan, weights: &[SlotId], name: &'static str, rows: u32) -> Result<()> {
    let x = array(&mut plan.memory, &format!("{name}/x"), Role::Input, rows, WIDTHS[0])?;
    plan.begin(name);
    record_forward(plan, x, weights, rows, name).map(|_| ())
}

/// Training with Adam on a fixed batch.
fn training() -> Result<(Plan, Arena)> {
    let [inputs, hidden_width, classes] = WIDTHS;
    let mut plan = Plan::default();
    let memory = &mut plan.memory;
    let weights = memory.arena("weights", Role::Parameter, &tensors())?;
    let gradients = memory.arena_like(&weights, "gradients", Role::Transient);
    let [first, second] = ["first", "second"].map(|name| memory.arena_like(&weights, name, Role::Optimizer).all);
    let x = array(memory, "train/x", Role::Data, BATCH, inputs)?;
    let labels = memory.array("train/labels", Role::Data, DType::U32, [BATCH as usize])?;
    let counters = memory.array("train/counters", Role::Carried, DType::U32, [counter::COUNT])?;
    let rates = memory.array("train/rates", Role::Carried, DType::F32, [rate::COUNT])?;
    let losses = memory.array("train/losses", Role::Scratch, DType::F32, [BATCH as usize])?;
    let [d_logits, d_hidden] = [("train/d_logits", classes), ("train/d_hidden", hidden_width)]
        .map(|(name, width)| array(memory, name, Role::Transient, BATCH, width).expect("it is small"));
    plan.begin("train");
    let adam = AdamParams::new(plan.memory.slot(weights.all).words as u32);
    let step = StepStateParams { samples: BATCH, batch: BATCH, learning_rate: 0.01, betas: adam.betas };
    plan.dispatch("step", &StepStateKernel, step, &[("counters", counters), ("rates", rates)])?;
    let [hidden, logits] = record_forward(&mut plan, x, &weights.tensors, BATCH, "train")?;
    let loss = SoftmaxCrossEntropyParams { m: BATCH, n: classes };
    let bindings =
        [("logits", logits), ("labels", labels), ("counters", counters), ("losses", losses), ("gradient", d_logits)];
    plan.dispatch("loss", &SoftmaxCrossEntropyKernel, loss, &bindings)?;
    let masked = [("a", d_logits), ("b", weights.tensors[2]), ("activation", hidden), ("out", d_hidden)];
    let product = MatmulParams { m: BATCH, k: classes, n: hidden_width };
    plan.dispatch("hidden gradient", &matmul::NT_RELU_MASK, product, &masked)?;
    for (layer, (a, d)) in [(x, d_hidden), (hidden, d_logits)].into_iter().enumerate() {
        let product = MatmulParams { m: WIDTHS[layer], k: BATCH, n: WIDTHS[layer + 1] };
        let bindings = [("a", a), ("b", d), ("out", gradients.tensors[2 * layer])];
        plan.dispatch("weight gradient", &matmul::TN, product, &bindings)?;
        let sums = ColumnSumParams { m: BATCH, n: WIDTHS[layer + 1] };
        plan.dispatch("bias gradient", &ColumnSumKernel, sums, &[("a", d), ("out", gradients.tensors[2 * layer + 1])])?;
    }
    let state = [
        ("gradient", gradients.all),
        ("rates", rates),
        ("weight", weights.all),
        ("first_moment", first),
        ("second_moment", second),
    ];
    plan.dispatch("update", &AdamKernel, adam, &state)?;
    Ok((plan, weights))
}

/// Inference only, with weights in an arena of reversed order, and one of them in a separate buffer.
fn inference(rows: u32) -> Result<Plan> {
    let mut plan = Plan::default();
    let reversed: Vec<_> = tensors().into_iter().rev().skip(1).collect();
    let mut weights = plan.memory.arena("weights", Role::Parameter, &reversed)?.tensors;
    weights.reverse();
    let (name, shape) = tensors().swap_remove(3);
    weights.push(plan.memory.array(&format!("weights/{name}"), Role::Parameter, DType::F32, shape)?);
    record_inference(&mut plan, &weights, "infer", rows)?;
    Ok(plan)
}

fn find(executor: &impl Executor, name: &str) -> SlotId {
    executor.memory().find(name).unwrap_or_else(|| panic!("no slot {name}"))
}

fn read(executor: &mut impl Executor, name: &str) -> Array<f64> {
    let slot = find(executor, name);
    pollster::block_on(executor.read(slot)).expect("it can be read")
}

fn numbers(seed: u64, n: u32) -> Vec<f32> {
    let mut random = Random::new(seed, 0);
    (0..n).map(|_| random.normal() as f32).collect()
}

/// Writes the batch and initial weights.
fn start(executor: &mut impl Executor) {
    let labels: Vec<u32> = (0..BATCH).map(|i| i % WIDTHS[2]).collect();
    let slot = |executor: &_, name: &str| find(executor, name);
    let x = slot(executor, "train/x");
    executor.write_f32(x, &numbers(1, BATCH * WIDTHS[0])).expect("it fits");
    let target = slot(executor, "train/labels");
    executor.write_words(target, &labels).expect("it fits");
    for (i, (name, shape)) in tensors().into_iter().enumerate() {
        let weight = slot(executor, &format!("weights/{name}"));
        let count = shape.elements().expect("it is small") as u32;
        executor.write_f32(weight, &numbers(2 + i as u64, count)).expect("it fits");
    }
}

/// Everything a run must find again, as bits.
fn state(executor: &mut impl Executor) -> Vec<Array<f64>> {
    let arenas = ["weights", "first", "second"];
    let tensors = arenas.iter().flat_map(|arena| tensors().into_iter().map(move |(name, _)| format!("{arena}/{name}")));
    let names = tensors.chain(["train/counters", "train/rates"].map(str::to_owned));
    names.map(|name| read(executor, &name)).collect()
}

fn infer(executor: &mut impl Executor, section: &str, rows: u32) -> Array<f64> {
    let x = find(executor, &format!("{section}/x"));
    executor.write_f32(x, &numbers(9, rows * WIDTHS[0])).expect("it fits");
    executor.run(section, 1).expect("it runs");
    read(executor, &format!("{section}/output2"))
}

fn next<E: Executor>(executor: E, plan: Plan, keep: Keep) -> E {
    pollster::block_on(executor.with_plan(plan, keep)).expect("it fits")
}

/// `up` is the size of a dispatch's parameters in bytes.
fn models_are_exchanged<E: Executor>(new: impl Fn(Plan) -> E, up: u64) {
    let rows = 3;
    let (plan, _) = training().expect("it is sound");
    let mut reference = new(plan.clone());
    start(&mut reference);
    reference.run("train", 9).expect("it runs");
    let mut executor = new(plan.clone());
    start(&mut executor);
    executor.run("train", 4).expect("it runs");
    let before = state(&mut executor);
    let sent = executor.traffic().up;

    // There and back, twice.
    let mut executor = next(executor, inference(rows).expect("it is sound"), Keep::All);
    assert_eq!(executor.traffic().up, sent + up * 2, "weights went up");
    assert_eq!(state(&mut executor), before, "what inference has no use for can be read beside it");
    let logits = infer(&mut executor, "infer", rows);
    let mut executor = next(executor, plan.clone(), Keep::All);
    let input = if up == 0 { 0 } else { 4 * u64::from(rows * WIDTHS[0]) };
    let dispatches = plan.sections[0].dispatches.len() as u64;
    assert_eq!(executor.traffic().up, sent + up * (2 + dispatches) + input, "weights went up");
    assert_eq!(executor.memory().buffers().len(), plan.memory.buffers().len(), "something is left over");
    executor.run("train", 5).expect("it runs");
    assert_eq!(state(&mut executor), state(&mut reference));
    let mut trained = next(executor, inference(rows).expect("it is sound"), Keep::Shared);
    assert!(trained.memory().find("first").is_none() && trained.memory().find("train/x").is_none());
    let later = infer(&mut trained, "infer", rows);

    // Like weights uploaded by the host.
    let from_host = |weights: &[Array<f64>]| {
        let mut executor = new(inference(rows).expect("it is sound"));
        for ((name, _), weight) in tensors().iter().zip(weights) {
            let Array::Real(weight) = weight else { panic!("weights are numbers") };
            let slot = find(&executor, &format!("weights/{name}"));
            executor.write_f32(slot, &weight.iter().map(|&x| x as f32).collect::<Vec<_>>()).expect("it fits");
        }
        infer(&mut executor, "infer", rows)
    };
    assert_eq!(logits, from_host(&before));
    assert_eq!(later, from_host(&state(&mut reference)));
    assert_ne!(logits, later);

    // A new run keeps the data and nothing else.
    let mut executor = next(reference, plan, Keep::Data);
    assert_eq!(read(&mut executor, "train/x"), {
        let x = numbers(1, BATCH * WIDTHS[0]);
        Array::Real(x.into_iter().map(f64::from).collect())
    });
    let zero = |array: &Array<f64>| match array {
        Array::Real(numbers) => numbers.iter().all(|&x| x == 0.0),
        Array::Word(words) => words.iter().all(|&word| word == 0),
    };
    assert!(state(&mut executor).iter().all(zero));
}

/// Inference with two batch sizes alternates with training in one plan.
fn inference_takes_turns_with_training<E: Executor>(new: impl Fn(Plan) -> E) {
    let (plan, weights) = training().expect("it is sound");
    let mut reference = new(plan.clone());
    start(&mut reference);
    reference.run("train", 6).expect("it runs");
    let mut both = plan;
    record_inference(&mut both, &weights.tensors, "one", 1).expect("it is sound");
    record_inference(&mut both, &weights.tensors, "eight", 8).expect("it is sound");
    let mut executor = new(both);
    start(&mut executor);
    let mut outputs = Vec::new();
    for _ in 0..6 {
        executor.run("train", 1).expect("it runs");
        outputs.push([infer(&mut executor, "one", 1), infer(&mut executor, "eight", 8)]);
    }
    assert_eq!(state(&mut executor), state(&mut reference));
    assert!(outputs.is_sorted_by(|a, b| a != b), "inference does not see what training does");
}

/// The same with the plans of the planner, over a model with running state.
fn planned_models_are_exchanged<E: Executor>(new: impl Fn(Plan) -> E) {
    let data = digits(5).first(300, 40);
    let layers: [Arc<dyn Layer>; 3] =
        [Arc::new(Linear::new(Some(12))), Arc::new(BatchNorm), Arc::new(Linear::new(None))];
    let config = TrainConfig { model: ModelConfig::new(layers), batch_size: 64, ..TrainConfig::default() };
    let caps = Caps::unlimited();
    let (model, plan) = Trainer::<E>::plan(&config, &data, &caps).expect("the settings are valid");
    let start = || {
        let trainer = Trainer::new(new(plan.clone()), model.clone(), config.clone(), &data);
        trainer.expect("the data fit").into_executor()
    };
    let (mut reference, mut executor) = (start(), start());
    reference.run("train", 9).expect("it runs");
    executor.run("train", 4).expect("it runs");
    let inference = Session::<E>::plan(&model, &caps).expect("the sizes are small").plan;
    let mut executor = next(executor, inference, Keep::All);
    let batches = InferenceSlots::find_all(executor.memory(), &model);
    let rows = numbers(3, 3 * 784);
    let outputs = pollster::block_on(shadegrad::infer::infer(&mut executor, &batches, &[&rows]));
    assert!(outputs.is_ok(), "{:?}", outputs.err());
    let mut executor = next(executor, plan.clone(), Keep::All);
    executor.run("train", 5).expect("it runs");
    let saved = plan.memory.buffers().iter().filter(|buffer| buffer.role.is_saved());
    for &slot in saved.flat_map(|buffer| &buffer.tensors) {
        let [found, expected] = [&mut executor, &mut reference]
            .map(|executor| pollster::block_on(executor.read(slot)).expect("it can be read"));
        assert_eq!(found, expected, "{}", plan.memory.slot(slot).name);
    }
}

fn on_device(plan: Plan) -> GpuExecutor {
    pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("it fits the device")
}

fn on_twins(plan: Plan) -> CpuExecutor<f32> {
    CpuExecutor::new(plan).expect("it is sound")
}

#[test]
fn training_and_inference_plans_exchange_a_model_on_the_device() {
    models_are_exchanged(on_device, 256);
}

#[test]
fn training_and_inference_plans_exchange_a_model_on_the_twins() {
    models_are_exchanged(on_twins, 0);
}

#[test]
fn planned_training_and_inference_exchange_a_model_on_the_device() {
    planned_models_are_exchanged(on_device);
}

#[test]
fn planned_training_and_inference_exchange_a_model_on_the_twins() {
    planned_models_are_exchanged(on_twins);
}

#[test]
fn inference_while_training_leaves_its_bits_alone_on_the_device() {
    inference_takes_turns_with_training(on_device);
}

#[test]
fn inference_while_training_leaves_its_bits_alone_on_the_twins() {
    inference_takes_turns_with_training(on_twins);
}
