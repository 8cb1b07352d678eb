//! Training on the device: agrees with the twins, is reproducible bit for bit, and keeps bus traffic minimal.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;
mod faulty;

use faulty::Faulty;
use shadegrad::cpu::CpuExecutor;
use shadegrad::data::Dataset;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::{AnyKernel, Array, Caps, Effort};
use shadegrad::nn::layer::{BatchNorm, Dropout, Layer, Linear};
use shadegrad::nn::{Augment, MlpConfig, ModelConfig, Normalization};
use shadegrad::ops::matmul::TN_ADAM;
use shadegrad::ops::registry;
use shadegrad::optim::{Schedule, Sgd, UpdateConfig};
use shadegrad::plan::{Buffer, Executor, Plan, Role, SlotId};
use shadegrad::planner::Set;
use shadegrad::train::{TrainConfig, TrainOutcome, Trainer, upload_split, upload_weights};
use shadegrad::verify::trajectory::{self, Trace, apart, hundred_steps};
use shadegrad::verify::{self, Bench, Whole};
use std::f64::consts::PI;
use std::sync::Arc;

fn trace<E: Executor>(executor: impl FnOnce(Plan) -> E, config: &TrainConfig, data: &Dataset) -> Trace {
    trace_of(&mut trainer(executor, config, data))
}

fn trainer<E: Executor>(executor: impl FnOnce(Plan) -> E, config: &TrainConfig, data: &Dataset) -> Trainer<E> {
    let (model, plan) = Trainer::<E>::plan(config, data, &Caps::unlimited()).expect("the settings are valid");
    Trainer::new(executor(plan), model, config.clone(), data).expect("the data fit")
}

fn trace_of<E: Executor>(trainer: &mut Trainer<E>) -> Trace {
    pollster::block_on(trajectory::trace(trainer)).expect("training ends well")
}

fn on_gpu(plan: Plan) -> GpuExecutor {
    pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("the plan runs on the device")
}

#[test]
fn a_hundred_steps_on_images_of_mean_0_and_deviation_1_agree_with_both_twins() {
    let kernels = registry();
    let bench = Bench::new(common::gpu(), &kernels, Effort::FULL);
    let (config, data) = hundred_steps();
    let config = TrainConfig { normalize: Normalization::Standard, ..config };
    let outcome = pollster::block_on(trajectory::beside_twins(&bench, &config, &data)).expect("training ends well");
    assert!(matches!(outcome, verify::Outcome::Fine(_)), "{outcome:?}");
}

/// Products apply tanh backward, and in validation also forward.
#[test]
fn a_hundred_steps_through_tanh_agree_with_the_f64_twins() {
    let (config, data) = hundred_steps();
    let recipe = MlpConfig { activation: "tanh".parse().expect("an activation"), ..MlpConfig::default() };
    // Adam divides by the root of tiny gradients, which would amplify rounding errors into steps.
    let update = UpdateConfig::new(Sgd { momentum: 0.9, ..Sgd::default() }, 0.05);
    let config = TrainConfig { model: ModelConfig::mlp(&[128, 64], &recipe), update, ..config };
    let test = data.test().cloned();
    let data = data.with_validation(test).expect("the items are digits");
    let gpu = trace(on_gpu, &config, &data);
    assert!(
        gpu.losses.len() == 100 && gpu.losses[99] < 0.5 * gpu.losses[0],
        "the loss did not decrease: {:?}",
        gpu.losses
    );
    let double = trace(|plan| CpuExecutor::<f64>::new(plan).expect("the plan is valid"), &config, &data);
    let [losses, weights] = apart(&gpu, &double);
    let [score, twin] = [gpu, double].map(|trace| trace.outcome.validation.expect("there are images for it").score);
    let validation = (score.loss() - twin.loss()).abs();
    println!("tanh: losses, weights, validation apart: {losses:e}, {weights:e}, {validation:e}");
    assert!(losses <= 5e-6 && weights <= 1e-5 && validation <= 5e-6, "{losses:e}, {weights:e}, {validation:e}");
}

#[test]
fn a_hundred_steps_of_every_optimizer_agree_with_both_twins() {
    let kernels = registry();
    let bench = Bench::new(common::gpu(), &kernels, Effort::FULL);
    let updates = Whole::Trajectory.entries(bench.effort);
    assert_eq!(updates.len(), 6);
    for update in updates {
        let outcome = pollster::block_on(Whole::Trajectory.run(&bench, &update)).expect("training ends well");
        println!("{update}: {outcome:?}");
        assert!(matches!(outcome, verify::Outcome::Fine(_)), "{update}: {outcome:?}");
    }
}

#[test]
fn an_update_of_its_own_gives_what_products_that_update_give() {
    let (config, data) = hundred_steps();
    // Gradients of a norm below the largest are left as they are, but no product can update before the norm is known.
    let update = UpdateConfig { clip_norm: Some(1e30), ..config.update.clone() };
    let apart_from = TrainConfig { update, ..config.clone() };
    let single = |plan| CpuExecutor::<f32>::new(plan).expect("the plan is valid");
    let [one, other] = [&config, &apart_from].map(|config| trace(single, config, &data));
    assert_eq!(apart(&one, &other), [0.0, 0.0], "twins");
    // A driver may fuse multiplications and additions differently in the two kernels.
    let [one, other] = [&config, &apart_from].map(|config| trace(on_gpu, config, &data));
    let [losses, weights] = apart(&one, &other);
    println!("an update of its own: losses {losses:e}, weights {weights:e} apart on the device");
    assert!(losses <= 1e-6 && weights <= 1e-5, "{losses:e}, {weights:e}");
}

/// Three epochs of a batch of 1,024 and one of 476: the last micro-batches are partial or empty.
fn six_steps() -> (TrainConfig, Dataset) {
    let (config, data) = hundred_steps();
    let data = data.first(1_500, 500);
    let model = ModelConfig::mlp(&[16], &MlpConfig::default());
    (TrainConfig { model, batch_size: 1_024, epochs: 3, ..config }, data)
}

#[test]
fn micro_batches_make_the_updates_of_whole_batches() {
    let (config, data) = six_steps();
    let divided = |micro_batch| TrainConfig { micro_batch: Some(micro_batch), ..config.clone() };
    let double =
        |config: &TrainConfig| trace(|plan| CpuExecutor::<f64>::new(plan).expect("the plan is valid"), config, &data);
    let whole = double(&config);
    // With one row at a time, the ring holds four of the six steps.
    for rows in [256, 300, 1] {
        let parts = double(&divided(rows));
        let [loss, weights] = apart(&parts, &whole);
        // Sums differ by rounding in f64, results by one rounding to f32: losses below 4, weights below 0.5.
        assert!(loss <= 4.8e-7 && weights <= 6e-8, "{rows} rows: {loss:e} and {weights:e} apart");
        assert_eq!(parts.outcome.train.accuracy(), whole.outcome.train.accuracy());
    }
    let parts = trace(on_gpu, &divided(256), &data);
    let [loss, weights] = apart(&parts, &whole);
    println!("micro-batches on the device, whole batches of f64 twins: {loss:e} and {weights:e} apart");
    assert!(loss <= 5e-6 && weights <= 1e-5, "{loss:e} and {weights:e} apart");
    // Two values per micro-batch, and one scan in six steps.
    assert_eq!((parts.outcome.bytes_up_after_start, parts.outcome.bytes_down_per_step), (0, 4.0 * 8.0 + 24.0 / 6.0));
}

#[test]
fn what_goes_by_the_micro_batch_agrees_with_the_twins() {
    let (config, data) = six_steps();
    let dropout = Dropout { probability: 0.3 };
    let layers: [Arc<dyn Layer>; 4] =
        [Arc::new(Linear::new(Some(16))), Arc::new(BatchNorm), Arc::new(dropout), Arc::new(Linear::new(None))];
    // The bias before a norm has gradient zero, whose rounding errors Adam would amplify into steps.
    let sgd = UpdateConfig::new(Sgd { momentum: 0.9, ..Sgd::default() }, 0.05);
    let update = UpdateConfig { clip_norm: Some(0.5), schedule: Schedule::Cosine, ..sgd };
    let config = TrainConfig { model: ModelConfig::new(layers), micro_batch: Some(256), update, ..config };
    let double = trace(|plan| CpuExecutor::<f64>::new(plan).expect("the plan is valid"), &config, &data);
    let [loss, weights] = apart(&trace(on_gpu, &config, &data), &double);
    println!("micro-batches with batch norm and dropout: {loss:e} and {weights:e} apart");
    assert!(loss <= 5e-6 && weights <= 1e-5, "{loss:e} and {weights:e} apart");
}

#[test]
fn each_micro_batch_has_dropout_masks_of_its_own() {
    let (config, data) = six_steps();
    // One image again and again, so that losses differ by nothing but their masks.
    let again = data.train().select(&[0; 64]);
    let data = data.with_train(again).expect("the items are digits");
    let entries = |dropout| {
        let model = ModelConfig::mlp(&[16], &MlpConfig { dropout, ..MlpConfig::default() });
        let config = TrainConfig { model, batch_size: 64, micro_batch: Some(16), ..config.clone() };
        let (mut executor, [metrics]) = ready(&config, &data, ["train/metrics"]);
        executor.run("train", 2).expect("it runs");
        let mut losses: Vec<f64> = numbers(&mut executor, metrics).chunks_exact(2).take(8).map(|x| x[0]).collect();
        losses.sort_by(f64::total_cmp);
        losses.dedup();
        losses.len()
    };
    assert_eq!([entries(0.0), entries(0.5)], [2, 8], "different losses of two steps in four micro-batches each");
}

#[test]
fn micro_batches_need_less_memory_and_a_whole_one_changes_nothing() {
    let (config, data) = six_steps();
    let plan = |micro_batch| {
        let config = TrainConfig { micro_batch, ..config.clone() };
        Trainer::<GpuExecutor>::plan(&config, &data, &Caps::unlimited()).expect("the settings are valid").1
    };
    let explain = |plan: &Plan| plan.explain(None).expect("the plan is valid");
    assert_eq!(explain(&plan(Some(1_024))), explain(&plan(None)));
    let transients = |plan: &Plan| {
        // Of forward passes, not of the whole model like gradients.
        let of_a_pass = |buffer: &&Buffer| buffer.role == Role::Transient && buffer.name.contains('/');
        plan.memory.buffers().iter().filter(of_a_pass).map(|buffer| 4 * buffer.words).sum::<usize>()
    };
    let (whole, parts) = (plan(None), plan(Some(64)));
    // The images alone are 1,024 times 784 floats; evaluation, 256 at a time, is unchanged.
    assert!(transients(&parts) + 2_900_000 < transients(&whole), "{} of {}", transients(&parts), transients(&whole));
    let megabytes = format!("activations and other transients {:.1} MB", transients(&parts) as f64 / 1e6);
    assert!(explain(&parts).contains(&megabytes), "{}", explain(&parts));
    assert_eq!(explain(&parts).matches("accumulate gradient").count(), 15);
}

/// An executor on the device, the slots with these names, and data and weights uploaded.
fn ready<const N: usize>(config: &TrainConfig, data: &Dataset, names: [&str; N]) -> (GpuExecutor, [SlotId; N]) {
    let (model, plan) = Trainer::<GpuExecutor>::plan(config, data, &Caps::unlimited()).expect("the settings are valid");
    let slots = names.map(|name| plan.memory.find(name).expect("the plan has this slot"));
    let mut executor = on_gpu(plan);
    upload_split(&mut executor, Set::Train, data.train()).expect("the images fit");
    upload_weights(&mut executor, &model, &model.initial(config.seed)).expect("the weights fit");
    (executor, slots)
}

fn numbers(executor: &mut GpuExecutor, slot: SlotId) -> Vec<f64> {
    match pollster::block_on(executor.read(slot)).expect("it can be read") {
        Array::Real(numbers) => numbers,
        Array::Word(_) => panic!("the slot holds words"),
    }
}

#[test]
fn learning_rates_follow_their_schedules() {
    let (config, data) = hundred_steps();
    let config = TrainConfig { model: ModelConfig::mlp(&[4], &MlpConfig::default()), ..config };
    let (rate, steps) = (f64::from(config.update.learning_rate), 100.0);
    let step_decay = Schedule::Step { every: 13, gamma: 0.5 };
    for (schedule, warmup) in [Schedule::Constant, step_decay, Schedule::Cosine]
        .into_iter()
        .flat_map(|schedule| [(schedule, 0), (schedule, 7)])
    {
        let update = UpdateConfig { schedule, warmup, ..UpdateConfig::default() };
        let config = TrainConfig { update: update.clone(), ..config.clone() };
        let (mut executor, [rates]) = ready(&config, &data, ["train/rates"]);
        for t in 1..=100 {
            executor.run("train", 1).expect("it runs");
            let done = f64::from(t) - 1.0 - f64::from(warmup);
            let factor = match schedule {
                _ if done < 0.0 => f64::from(t) / f64::from(warmup),
                Schedule::Constant => 1.0,
                Schedule::Step { .. } => 0.5f64.powf((done / 13.0).floor()),
                Schedule::Cosine => 0.5 * (1.0 + (PI * done / (steps - f64::from(warmup))).cos()),
            };
            let found = numbers(&mut executor, rates)[0];
            // Far below the effect of an off-by-one step number.
            assert!((found - rate * factor).abs() <= 1e-6 * rate, "{update}, step {t}: {found}, {factor}");
        }
    }
}

#[test]
fn clipping_bounds_the_norm_and_leaves_short_gradients_alone() {
    let (config, data) = hundred_steps();
    let gradients_at = |clip_norm| {
        let update = UpdateConfig { clip_norm: Some(clip_norm), ..UpdateConfig::default() };
        let config = TrainConfig { update, ..config.clone() };
        let (mut executor, [gradients, norm]) = ready(&config, &data, ["gradients", "gradients.norm"]);
        executor.run("train", 1).expect("it runs");
        (numbers(&mut executor, gradients), numbers(&mut executor, norm)[0])
    };
    let length = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (whole, norm) = gradients_at(1e6);
    assert!((length(&whole) / norm - 1.0).abs() < 1e-6, "{norm}");
    let (clipped, before) = gradients_at(0.1);
    assert_eq!(before, norm);
    assert!(norm > 0.5 && (length(&clipped) / 0.1 - 1.0).abs() < 1e-6, "{norm} to {}", length(&clipped));
    let turned = clipped.iter().zip(&whole).any(|(c, w)| (c - 0.1 / norm * w).abs() > 1e-6 * w.abs());
    assert!(!turned, "the gradient's direction changed");
}

/// A product whose shader, updating the weights by Adam, forgets the bias correction of the second moment, by one part in a thousand of it.
static FAULTY_ADAM: Faulty =
    Faulty { kernel: &TN_ADAM, from: "v / rates[CORRECTION2]", to: "v / (rates[CORRECTION2] * 1.001)" };

#[test]
fn a_seeded_fault_parts_the_device_from_the_twins() {
    let (config, data) = hundred_steps();
    let faulty = |mut plan: Plan| {
        let dispatches = plan.sections[0].dispatches.iter_mut();
        let updates: Vec<_> = dispatches.filter(|dispatch| dispatch.kernel.name() == FAULTY_ADAM.name()).collect();
        assert!(!updates.is_empty(), "the products do not update the weights");
        updates.into_iter().for_each(|update| update.kernel = &FAULTY_ADAM);
        on_gpu(plan)
    };
    let faulty = trace(faulty, &config, &data);
    let single = trace(|plan| CpuExecutor::<f32>::new(plan).expect("the plan is valid"), &config, &data);
    let [loss, weights] = apart(&faulty, &single);
    assert!(
        loss > 1e-6 && weights > 1e-5,
        "an error of 0.1 % in the correction was not detected: {loss:e}, {weights:e}"
    );
}

#[test]
fn one_seed_gives_the_same_bits_twice_and_another_seed_others() {
    let (config, data) = hundred_steps();
    let bits = |trace: &Trace| trace.weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
    let (first, second) = (trace(on_gpu, &config, &data), trace(on_gpu, &config, &data));
    assert_eq!(bits(&first), bits(&second));
    assert_eq!(first.losses, second.losses);
    let other = trace(on_gpu, &TrainConfig { seed: 43, ..config }, &data);
    assert_ne!(bits(&first), bits(&other));
}

#[test]
#[ignore = "long: 200 repeats of 100 training steps, for one bit pattern"]
fn two_hundred_repeats_give_one_bit_pattern() {
    let (config, data) = hundred_steps();
    let gpu = common::gpu();
    let bits = || {
        let executor = |plan| pollster::block_on(GpuExecutor::new(gpu.clone(), plan, Checks::Off)).expect("it runs");
        let trace = trace(executor, &config, &data);
        let losses: Vec<u64> = trace.losses.iter().map(|loss| loss.to_bits()).collect();
        (losses, trace.weights.iter().map(|weight| weight.to_bits()).collect::<Vec<u32>>())
    };
    let first = bits();
    for repeat in 2..=200 {
        assert!(bits() == first, "repeat {repeat} differs from the first");
    }
}

#[test]
fn after_the_start_nothing_goes_up_and_little_comes_down() {
    let (config, data) = hundred_steps();
    let TrainOutcome { bytes_up_after_start, bytes_down_per_step, .. } = trace(on_gpu, &config, &data).outcome;
    assert_eq!(bytes_up_after_start, 0);
    // Exactly two values per step: every loss is read back. One scan of two arrays gives three words each.
    assert_eq!(bytes_down_per_step, 8.0 + 24.0 / 100.0);
}

#[test]
fn traffic_counts_every_byte() {
    let (config, data) = hundred_steps();
    let (model, plan) =
        Trainer::<GpuExecutor>::plan(&config, &data, &Caps::unlimited()).expect("the settings are valid");
    let params = 256 * plan.sections.iter().map(|section| section.dispatches.len()).sum::<usize>();
    let trainer = Trainer::new(on_gpu(plan), model.clone(), config, &data).expect("the data fit");
    let parts = [data.train(), data.test().expect("there are items to test on")];
    let images: usize = parts.iter().map(|part| part.inputs()[0].values().len()).sum();
    let labels: usize = parts.iter().map(|part| part.len()).sum();
    // Besides the parameters two numbers to normalize by.
    assert_eq!(trainer.executor().traffic().up as usize, params + images + labels + 4 * model.parameters() + 8);
    let mut trainer = trainer;
    pollster::block_on(trainer.weights()).expect("weights can be read");
    assert_eq!(trainer.executor().traffic().down as usize, 4 * model.parameters() + 8);
}

/// Runs that differ in everything a search may change, on a few images with some held out for validation.
fn small_runs() -> (Vec<TrainConfig>, Dataset) {
    let (config, data) = hundred_steps();
    let validation = data.train().range(800..1_000);
    let data = data.first(800, 100).with_validation(validation).expect("the items are digits");
    let sgd = UpdateConfig::new(Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-3 }, 1e-3);
    let update = UpdateConfig { schedule: Schedule::Cosine, warmup: 3, ..sgd };
    let exploding = UpdateConfig { learning_rate: 1e30, ..UpdateConfig::default() };
    let model = |hidden: &[usize]| ModelConfig::mlp(hidden, &MlpConfig { dropout: 0.2, ..MlpConfig::default() });
    let wide = TrainConfig { model: model(&[33, 20]), batch_size: 64, patience: Some(2), ..config.clone() };
    let narrow = TrainConfig { model: model(&[16]), batch_size: 100, update, seed: 7, ..config };
    let diverging = TrainConfig { update: exploding, ..wide.clone() };
    let augment = Augment { rotate: 10.0, ..Augment::default() };
    let augmented = TrainConfig { augment, normalize: Normalization::Standard, ..narrow.clone() };
    (vec![wide.clone(), narrow, diverging, augmented, wide], data)
}

#[test]
fn runs_one_after_the_other_are_those_of_new_trainers_and_send_the_images_up_once() {
    let (configs, data) = small_runs();
    let mut shared = trainer(on_gpu, &configs[0], &data);
    for config in configs {
        let (model, plan) =
            Trainer::<GpuExecutor>::plan(&config, &data, &Caps::unlimited()).expect("the settings are valid");
        let params = 256 * plan.sections.iter().map(|section| section.dispatches.len()).sum::<usize>();
        let up = shared.executor().traffic().up;
        shared = pollster::block_on(shared.with_config(config.clone(), &data, &Caps::unlimited()))
            .expect("it runs here too");
        let sent = (shared.executor().traffic().up - up) as usize;
        assert_eq!(sent, params + 4 * model.parameters() + 8, "{config:?}");
        if config.update.learning_rate > 1.0 {
            // Work submitted ahead is still in progress when the next run starts.
            pollster::block_on(shared.train(|_| Ok(()))).expect_err("the loss cannot stay finite");
            continue;
        }
        let mut alone = trainer(on_gpu, &config, &data);
        let (found, expected) = (trace_of(&mut shared), trace_of(&mut alone));
        assert_eq!((found.losses, found.weights), (expected.losses, expected.weights), "{config:?}");
        assert_eq!(found.outcome.validation, expected.outcome.validation);
        let [found, expected] = [&mut shared, &mut alone].map(|trainer| pollster::block_on(trainer.test(100)));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_run_over_data_that_are_not_on_the_device_is_refused() {
    let (configs, data) = small_runs();
    let on_cpu = |plan| CpuExecutor::<f32>::new(plan).expect("the plan is valid");
    let shared = trainer(on_cpu, &configs[0], &data);
    let less = data.first(800, 99);
    let refused = pollster::block_on(shared.with_config(configs[0].clone(), &less, &Caps::unlimited()))
        .err()
        .expect("an image is missing");
    assert!(refused.cause().contains("differs in size"), "{refused}");
}

#[test]
fn a_learning_rate_that_explodes_ends_with_a_numeric_error() {
    let (config, data) = hundred_steps();
    let update = UpdateConfig { learning_rate: 1e30, ..UpdateConfig::default() };
    let config = TrainConfig { update, ..config };
    let (model, plan) =
        Trainer::<GpuExecutor>::plan(&config, &data, &Caps::unlimited()).expect("the settings are valid");
    let mut trainer = Trainer::new(on_gpu(plan), model, config, &data).expect("the data fit");
    let error = pollster::block_on(trainer.train(|_| Ok(()))).expect_err("the loss cannot stay finite");
    assert_eq!(error.exit_code(), 6, "{error}");
    assert!(error.cause().contains("the loss of step"), "{error}");
}
