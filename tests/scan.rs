//! Non-finite numbers end training: found wherever they are, and reported by step, tensor and element.

#![allow(clippy::print_stdout, reason = "messages for whoever runs it with --nocapture")]

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::error::{Error, Kind, Result};
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::layer::{Activate, BatchNorm, Layer, Linear};
use shadegrad::nn::{Activation, MlpConfig, ModelConfig};
use shadegrad::optim::UpdateConfig;
use shadegrad::plan::{Executor, Keep, Memory, Pending, Plan, SlotId, Traffic};
use shadegrad::train::{TrainConfig, TrainOutcome, Trainer};
use std::sync::Arc;

/// A value written into a slot after a step.
#[derive(Clone, Copy)]
struct Poison {
    slot: &'static str,
    element: usize,
    value: f32,
    after: usize,
}

/// An executor that corrupts a value in memory.
struct Poisoned<E> {
    inner: E,
    poison: Poison,
    steps: usize,
}

impl<E: Executor> Poisoned<E> {
    fn poison(&mut self) -> Result<()> {
        let slot = self.inner.memory().find(self.poison.slot).expect("the plan has this slot");
        let mut values = numbers(&mut self.inner, slot);
        values[self.poison.element] = self.poison.value;
        self.inner.write_f32(slot, &values)
    }
}

impl<E: Executor> Executor for Poisoned<E> {
    fn memory(&self) -> &Memory {
        self.inner.memory()
    }
    fn write_f32(&mut self, slot: SlotId, data: &[f32]) -> Result<()> {
        self.inner.write_f32(slot, data)
    }
    fn write_words(&mut self, slot: SlotId, data: &[u32]) -> Result<()> {
        self.inner.write_words(slot, data)
    }
    fn run(&mut self, section: &str, times: u32) -> Result<()> {
        for _ in 0..times {
            self.inner.run(section, 1)?;
            self.steps += usize::from(section == "train");
            if section == "train" && self.steps == self.poison.after {
                self.poison()?;
            }
        }
        Ok(())
    }
    fn fetch(&mut self, slot: SlotId, first: usize, count: usize) -> Result<Pending> {
        self.inner.fetch(slot, first, count)
    }
    fn fetch_words(&mut self, slot: SlotId) -> Result<Pending<u32>> {
        self.inner.fetch_words(slot)
    }
    async fn read(&mut self, slot: SlotId) -> Result<Array<f64>> {
        self.inner.read(slot).await
    }
    fn traffic(&self) -> Traffic {
        self.inner.traffic()
    }
    async fn with_plan(self, plan: Plan, keep: Keep) -> Result<Self> {
        Ok(Self { inner: self.inner.with_plan(plan, keep).await?, ..self })
    }
}

fn numbers<E: Executor>(executor: &mut E, slot: SlotId) -> Vec<f32> {
    match pollster::block_on(executor.read(slot)).expect("it can be read") {
        Array::Real(numbers) => numbers.into_iter().map(|x| x as f32).collect(),
        Array::Word(_) => panic!("the slot holds words"),
    }
}

/// 50 steps of a small model with every kind of state.
fn fifty_steps() -> (TrainConfig, Dataset) {
    let data = digits(7).first(800, 50);
    let relu = Activate(Activation::RELU);
    let layers: [Arc<dyn Layer>; 4] =
        [Arc::new(Linear::new(Some(12))), Arc::new(BatchNorm), Arc::new(relu), Arc::new(Linear::new(None))];
    let model = ModelConfig::new(layers);
    (TrainConfig { model, batch_size: 32, epochs: 2, scan_every: 10, ..TrainConfig::default() }, data)
}

fn on_gpu(plan: Plan) -> GpuExecutor {
    pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("the plan runs on the device")
}

fn on_cpu(plan: Plan) -> CpuExecutor<f32> {
    CpuExecutor::new(plan).expect("the plan is valid")
}

fn train<E: Executor>(
    executor: impl FnOnce(Plan) -> E,
    config: &TrainConfig,
    data: &Dataset,
) -> (Trainer<E>, Result<TrainOutcome>) {
    let (model, plan) = Trainer::<E>::plan(config, data, &Caps::unlimited()).expect("the settings are valid");
    let mut trainer = Trainer::new(executor(plan), model, config.clone(), data).expect("the data fit");
    let outcome = pollster::block_on(trainer.train(|_| Ok(())));
    (trainer, outcome)
}

/// How training ends if that value is written.
fn poisoned<E: Executor>(
    executor: impl FnOnce(Plan) -> E,
    config: &TrainConfig,
    data: &Dataset,
    poison: Poison,
) -> Error {
    let executor = |plan| Poisoned { inner: executor(plan), poison, steps: 0 };
    let error = train(executor, config, data).1.expect_err("training cannot go on");
    println!("{error}");
    assert_eq!((error.kind(), error.exit_code()), (Kind::Numeric, 6));
    assert!(error.advice().contains("--lr"), "{}", error.advice());
    error
}

#[test]
fn what_is_not_finite_is_found_and_named_by_step_tensor_and_element() {
    let (config, data) = fifty_steps();
    let divided = TrainConfig { micro_batch: Some(8), ..config.clone() };
    let rare = TrainConfig { scan_every: 1_000, ..config.clone() };
    let poison = |slot, element, value, after| Poison { slot, element, value, after };
    for (config, poison, expected) in [
        (&config, poison("weights/fc1.weight", 12 * 700 + 5, f32::NAN, 30), "weights/fc1.weight [700, 5]"),
        (&config, poison("weights/bn1.bias", 3, f32::NEG_INFINITY, 10), "weights/bn1.bias [3]"),
        (&config, poison("gradients/fc2.weight", 119, f32::INFINITY, 20), "gradients/fc2.weight [11, 9]"),
        (&divided, poison("gradients/fc1.bias", 0, f32::NAN, 40), "gradients/fc1.bias [0]"),
        (&config, poison("statistics/bn1.running_var", 11, f32::NAN, 40), "statistics/bn1.running_var [11]"),
        // After the last step, before saving.
        (&rare, poison("weights/fc2.bias", 9, f32::NAN, 50), "weights/fc2.bias [9]"),
    ] {
        let after = poison.after;
        let expected = format!("after step {after} {expected} is not finite");
        for error in [poisoned(on_gpu, config, &data, poison), poisoned(on_cpu, config, &data, poison)] {
            assert!(error.cause().starts_with(&expected), "{error}, expected: {expected}");
            let before = format!("after step {} gradients and weights were finite", after - 10);
            assert!(config.scan_every > 10 || after == 10 || error.cause().ends_with(&before), "{error}");
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_is_told_with_what_surrounds_it() {
    let (config, data) = fifty_steps();
    // A class's bias goes directly into the next step's loss.
    let poison = Poison { slot: "weights/fc2.bias", element: 4, value: f32::NAN, after: 33 };
    for error in [poisoned(on_gpu, &config, &data, poison), poisoned(on_cpu, &config, &data, poison)] {
        let cause = error.cause();
        let start = "the loss of step 34 is NaN; after step 30 gradients and weights were finite";
        assert!(cause.starts_with(start) && cause.contains(" more of weights are not finite"), "{error}");
    }
    let every = TrainConfig { scan_every: 1, ..config };
    for error in [poisoned(on_gpu, &every, &data, poison), poisoned(on_cpu, &every, &data, poison)] {
        let start = "after step 33 weights/fc2.bias [4] is not finite; after step 32 gradients and weights were finite";
        assert!(error.cause().starts_with(start), "{error}");
    }
}

#[test]
fn a_learning_rate_that_is_too_high_is_told_with_what_it_spoiled() {
    let (config, data) = fifty_steps();
    let model = ModelConfig::mlp(&[8], &MlpConfig::default());
    let update = UpdateConfig { learning_rate: 3e38, ..UpdateConfig::default() };
    for scan_every in [1, 10] {
        let config = TrainConfig { update: update.clone(), scan_every, model: model.clone(), ..config.clone() };
        for outcome in [train(on_gpu, &config, &data).1, train(on_cpu, &config, &data).1] {
            let error = outcome.expect_err("the weights overflow");
            println!("{error}");
            assert_eq!(error.exit_code(), 6, "{error}");
            assert!(error.cause().contains(" more of weights are not finite"), "{error}");
        }
    }
}

/// Weights, running state and moments, as bits.
fn state<E: Executor>(trainer: &mut Trainer<E>) -> Vec<u32> {
    let weights = pollster::block_on(trainer.weights()).expect("weights can be read");
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

#[test]
fn scans_change_nothing_and_bring_little_down() {
    let (config, data) = fifty_steps();
    let runs = [1, 10, 1_000].map(|scan_every| {
        let (mut trainer, outcome) = train(on_gpu, &TrainConfig { scan_every, ..config.clone() }, &data);
        let outcome = outcome.expect("all goes well");
        assert_eq!(outcome.bytes_up_after_start, 0);
        (state(&mut trainer), outcome)
    });
    assert!(runs[0].0 == runs[1].0 && runs[1].0 == runs[2].0, "the weights differ");
    // A loss and a count of correct answers per step, and per scan three words for each of three arrays.
    assert_eq!(runs[2].1.bytes_down_per_step, 8.0 + 36.0 / 50.0);
    let most = runs.map(|(_, outcome)| outcome.bytes_down_per_step);
    assert!(most[1] <= 8.0 + 36.0 / 10.0 && most[0] <= 8.0 + 36.0, "{most:?}");
}
