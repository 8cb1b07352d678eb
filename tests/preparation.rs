//! Preparation of data sets, and validation during training.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{
    Amount, Check, Dataset, Dropped, Field, FieldValues, Flaw, Images, Preparation, Provenance, Split, Task, check,
    digits,
};
use shadegrad::error::Kind;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::Caps;
use shadegrad::nn::metric::{Accuracy, Measured};
use shadegrad::nn::{MlpConfig, ModelConfig};
use shadegrad::optim::UpdateConfig;
use shadegrad::plan::{Executor, Plan};
use shadegrad::random::Random;
use shadegrad::train::{StopReason, StopTarget, TrainConfig, TrainOutcome, TrainUpdate, Trainer};
use std::collections::BTreeSet;

/// 600 training images, 150 of them for validation, and 100 test images.
fn prepared() -> Dataset {
    let preparation = Preparation {
        train_limit: Some(600),
        test_limit: Some(100),
        validation: Some(Amount::Share(0.25)),
        seed: 5,
        ..Preparation::default()
    };
    preparation.apply(digits(7)).expect("there are enough").0
}

fn validation(data: &Dataset) -> &Split {
    data.validation().expect("some were set aside")
}

fn test_part(data: &Dataset) -> &Split {
    data.test().expect("digits have a test part")
}

/// The set without what was set aside.
fn without_validation(data: Dataset) -> Dataset {
    data.with_validation(None).expect("nothing needs no check")
}

#[test]
fn limits_and_validation_take_parts_that_share_no_image() {
    let data = prepared();
    assert_eq!([data.train(), validation(&data), test_part(&data)].map(Split::len), [450, 150, 100]);
    let images = |split: &Split| {
        let images = Images::of(split).expect("digits are images");
        (0..split.len()).map(|i| images.image(i).to_vec()).collect::<BTreeSet<_>>()
    };
    let (train, held) = (images(data.train()), images(validation(&data)));
    assert!(train.len() == 450 && held.len() == 150 && train.is_disjoint(&held));
    assert!(images(digits(7).train()).is_superset(&train.union(&held).cloned().collect()));
    for split in [data.train(), validation(&data), test_part(&data)] {
        for (class, count) in split.class_counts(10).into_iter().enumerate() {
            assert!(count.abs_diff(split.len() / 10) <= 1, "{count} of class {class} in {}", split.len());
        }
    }
    assert_eq!(data, prepared());
}

#[test]
fn validation_is_the_same_whatever_the_limit_of_the_test_and_all_is_kept_by_default() {
    let apply = |preparation: Preparation| preparation.apply(digits(7)).expect("there are enough").0;
    assert_eq!(apply(Preparation::default()), digits(7));
    let some = Preparation { validation: Some(Amount::Count(500)), seed: 5, ..Preparation::default() };
    let all = apply(some.clone());
    assert_eq!((all.train().len(), validation(&all).len(), test_part(&all).len()), (9500, 500, 2000));
    assert_eq!(apply(Preparation { test_limit: Some(10), ..some.clone() }).validation(), all.validation());
    assert_ne!(apply(Preparation { seed: 6, ..some }).validation(), all.validation());
    let generous = Preparation { train_limit: Some(1 << 40), test_limit: Some(2000), ..Preparation::default() };
    assert_eq!(apply(generous), digits(7));
}

#[test]
fn nothing_left_is_refused() {
    let base = Preparation { train_limit: Some(20), ..Preparation::default() };
    for (preparation, word) in [
        (Preparation { train_limit: Some(0), ..base.clone() }, "limit of 0"),
        (Preparation { test_limit: Some(0), ..base.clone() }, "limit of 0"),
        (Preparation { validation: Some(Amount::Count(20)), ..base.clone() }, "20 of 20 training images"),
        (Preparation { validation: Some(Amount::Share(0.99)), ..base.clone() }, "0.99 of 20 training images"),
        (Preparation { validation: Some(Amount::Share(0.01)), ..base }, "would be 0"),
    ] {
        let error = preparation.apply(digits(7)).expect_err("nothing would be left");
        assert!(error.kind() == Kind::Usage && error.cause().contains(word), "{word}: {error}");
    }
}

/// The results of a run: weights, outcome, validation after each epoch, and all validations with their steps.
struct Ran {
    weights: Vec<u32>,
    outcome: TrainOutcome,
    epochs: Vec<Option<Measured>>,
    validations: Vec<(usize, Measured)>,
}

fn train<E: Executor>(executor: impl FnOnce(Plan) -> E, config: &TrainConfig, data: &Dataset) -> Ran {
    let (model, plan) = Trainer::<E>::plan(config, data, &Caps::unlimited()).expect("the settings are valid");
    let mut trainer = Trainer::new(executor(plan), model, config.clone(), data).expect("the data fit");
    let (mut epochs, mut validations) = (Vec::new(), Vec::new());
    let note = |update: TrainUpdate<'_>| {
        validations.extend(update.validation.map(|score| (update.step, score)));
        if update.epoch_ended {
            epochs.push(update.validation);
        } else if config.steps.is_none() && config.eval_every.is_none() {
            assert_eq!(update.validation, None);
        }
        Ok(())
    };
    let outcome = pollster::block_on(trainer.train(note)).expect("training ends well");
    let weights = pollster::block_on(trainer.weights()).expect("weights can be read");
    let weights = weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect();
    Ran { weights, outcome, epochs, validations }
}

fn on_gpu(plan: Plan) -> GpuExecutor {
    pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("the plan runs on the device")
}

fn on_cpu(plan: Plan) -> CpuExecutor<f32> {
    CpuExecutor::new(plan).expect("the plan is valid")
}

/// Batches of 32: 15 steps per epoch, the last with two images.
fn config(epochs: usize) -> TrainConfig {
    TrainConfig {
        model: ModelConfig::mlp(&[16], &MlpConfig::default()),
        batch_size: 32,
        epochs,
        update: UpdateConfig { learning_rate: 0.01, ..UpdateConfig::default() },
        ..TrainConfig::default()
    }
}

/// Random labels: the better they are learned, the worse validation gets.
fn unreasonable() -> Dataset {
    let mut random = Random::new(1, 1);
    altered(prepared(), true, |_, labels| labels.iter_mut().for_each(|label| *label = random.below(10) as u8))
}

#[test]
fn validation_follows_every_epoch_and_changes_nothing_in_training() {
    let data = prepared();
    let ran = train(on_gpu, &config(3), &data);
    let plain = train(on_gpu, &config(3), &without_validation(data.clone()));
    assert_eq!(ran.weights, plain.weights, "validation must not touch the weights");
    assert_eq!((plain.epochs, plain.outcome.validation), (vec![None; 3], None));
    let scores: Vec<_> = ran.epochs.iter().map(|score| score.expect("every epoch is validated")).collect();
    assert!(scores.len() == 3 && scores[2].loss() < scores[0].loss() && scores[2].accuracy() > 0.5, "{scores:?}");
    let last = ran.outcome.validation.expect("there was validation");
    assert_eq!((last.epoch, last.score), (3, scores[2]));
    assert_eq!((ran.outcome.stop_reason, ran.outcome.epochs, ran.outcome.steps), (StopReason::Epochs, 3, 45));
    // The same images as a test give the same score, to the last bit.
    let held = validation(&data).clone();
    let swapped = without_validation(data.clone()).with_test(held).expect("the items are digits");
    let (model, plan) = Trainer::<GpuExecutor>::plan(&config(3), &swapped, &Caps::unlimited()).expect("valid");
    let mut trainer = Trainer::new(on_gpu(plan), model, config(3), &swapped).expect("the data fit");
    pollster::block_on(trainer.train(|_| Ok(()))).expect("training ends well");
    assert_eq!(pollster::block_on(trainer.test(150)).expect("it can be tested"), scores[2]);
    let native = train(on_cpu, &config(3), &data).outcome.validation.expect("there was validation");
    assert!((native.score.loss() - last.score.loss()).abs() < 1e-4, "{native:?} {last:?}");
}

#[test]
fn patience_ends_training_and_brings_back_the_weights_of_the_best_epoch() {
    let data = unreasonable();
    for gpu in [true, false] {
        let run = |config: &TrainConfig| if gpu { train(on_gpu, config, &data) } else { train(on_cpu, config, &data) };
        let ran = run(&TrainConfig { patience: Some(3), ..config(40) });
        let losses: Vec<f64> = ran.epochs.iter().map(|score| score.expect("validated").loss()).collect();
        let best = (0..losses.len()).fold(0, |best, i| if losses[i] < losses[best] { i } else { best });
        assert_eq!(ran.outcome.stop_reason, StopReason::Patience);
        assert_eq!((ran.outcome.epochs, losses.len()), (best + 4, best + 4), "{losses:?}");
        let kept = ran.outcome.validation.expect("there was validation");
        assert_eq!((kept.epoch, kept.score.loss()), (best + 1, losses[best]));
        assert_eq!(ran.weights, run(&config(best + 1)).weights, "not the weights of epoch {}", best + 1);
        assert_ne!(ran.weights, run(&config(best + 4)).weights);
        assert_eq!(ran.outcome.bytes_up_after_start, 0);
    }
}

#[test]
fn the_best_weights_are_brought_back_after_the_last_epoch_too() {
    let data = unreasonable();
    let ran = train(on_cpu, &TrainConfig { patience: Some(30), ..config(12) }, &data);
    let kept = ran.outcome.validation.expect("there was validation").epoch;
    assert!(ran.outcome.stop_reason == StopReason::Epochs && kept < 12, "{:?}", ran.outcome);
    assert_eq!(ran.weights, train(on_cpu, &config(kept), &data).weights);
}

#[test]
fn a_target_ends_training_as_soon_as_validation_reaches_it() {
    let data = prepared();
    let all = train(on_cpu, &config(6), &data);
    let accuracies: Vec<f64> = all.epochs.iter().map(|score| score.expect("validated").accuracy()).collect();
    let target = accuracies[2];
    let first = accuracies.iter().position(|accuracy| *accuracy >= target).expect("the third does");
    for patience in [None, Some(5)] {
        let settings =
            TrainConfig { target: Some(StopTarget { metric: &Accuracy, value: target }), patience, ..config(6) };
        let ran = train(on_cpu, &settings, &data);
        assert_eq!((ran.outcome.stop_reason, ran.outcome.epochs), (StopReason::Target, first + 1), "{accuracies:?}");
        assert_eq!(ran.weights, train(on_cpu, &config(first + 1), &data).weights);
    }
}

#[test]
fn a_run_of_so_many_steps_is_that_of_epochs_and_may_end_within_one() {
    let data = prepared();
    for gpu in [true, false] {
        let run = |config: &TrainConfig| if gpu { train(on_gpu, config, &data) } else { train(on_cpu, config, &data) };
        let steps = |steps| TrainConfig { steps: Some(steps), ..config(40) };
        let (whole, ran) = (run(&steps(30)), run(&config(2)));
        assert_eq!((whole.weights, whole.validations), (ran.weights, ran.validations));
        assert_eq!((whole.outcome.stop_reason, whole.outcome.epochs), (StopReason::Steps, 2));
        let cut = run(&steps(20));
        assert_eq!((cut.outcome.stop_reason, cut.outcome.steps, cut.outcome.epochs), (StopReason::Steps, 20, 1));
        assert_eq!(cut.validations.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [15, 20]);
        let last = cut.outcome.validation.expect("there was validation");
        assert_eq!((last.step, last.epoch, last.score), (20, 1, cut.validations[1].1));
    }
    let update = UpdateConfig { warmup: 20, ..UpdateConfig::default() };
    let config = TrainConfig { steps: Some(20), update, ..config(40) };
    let error = Trainer::<GpuExecutor>::plan(&config, &data, &Caps::portable()).map(|_| ()).expect_err("all warm-up");
    assert!(error.cause().contains("a warm-up of 20 steps, but the run has 20"), "{error}");
}

#[test]
fn validation_every_so_many_steps_changes_nothing_in_training_and_patience_counts_it() {
    let data = prepared();
    for gpu in [true, false] {
        let run = |config: &TrainConfig, data: &Dataset| match gpu {
            true => train(on_gpu, config, data),
            false => train(on_cpu, config, data),
        };
        let steps = TrainConfig { steps: Some(20), ..config(1) };
        let often = run(&TrainConfig { eval_every: Some(7), ..steps.clone() }, &data);
        assert_eq!(often.validations.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [7, 14, 20]);
        assert_eq!(often.weights, run(&steps, &without_validation(data.clone())).weights);
        assert_eq!(often.epochs, [None], "an epoch ends between validations");

        let (data, every) = (unreasonable(), TrainConfig { eval_every: Some(4), ..config(40) });
        let ran = run(&TrainConfig { patience: Some(3), ..every }, &data);
        let losses: Vec<f64> = ran.validations.iter().map(|(_, score)| score.loss()).collect();
        let best = (0..losses.len()).fold(0, |best, i| if losses[i] < losses[best] { i } else { best });
        assert_eq!((ran.outcome.stop_reason, losses.len()), (StopReason::Patience, best + 4), "{losses:?}");
        let kept = ran.outcome.validation.expect("there was validation");
        assert_eq!((kept.step, kept.score.loss()), (4 * (best + 1), losses[best]));
        assert_eq!(ran.weights, run(&TrainConfig { steps: Some(kept.step), ..config(1) }, &data).weights);
    }
}

#[test]
fn a_target_or_patience_without_validation_is_refused() {
    let data = without_validation(prepared());
    let target = TrainConfig { target: "loss=0.1".parse().ok(), ..config(1) };
    let patience = TrainConfig { patience: Some(1), ..config(1) };
    let often = TrainConfig { eval_every: Some(5), ..config(1) };
    for config in [target, patience, often] {
        let error = Trainer::<GpuExecutor>::plan(&config, &data, &Caps::unlimited())
            .map(|_| ())
            .expect_err("nothing to validate with");
        assert!(error.kind() == Kind::Usage && error.advice().contains("--validation"), "{error}");
    }
    let none = TrainConfig { patience: Some(0), ..config(1) };
    assert!(none.validate().expect_err("no patience at all").cause().contains("patience of 0"));
}

/// A set with pixels and labels of its training or its test part altered.
fn altered(data: Dataset, train: bool, alter: impl FnOnce(&mut [u8], &mut [u8])) -> Dataset {
    let split = if train { data.train() } else { test_part(&data) };
    let Images { rows, columns, pixels } = Images::of(split).expect("digits are images");
    let (mut pixels, mut labels) = (pixels.to_vec(), split.targets().bytes().expect("labels are bytes").to_vec());
    alter(&mut pixels, &mut labels);
    let split = Split::of_images([rows, columns], pixels, labels).expect("an image per label");
    if train { data.with_train(split) } else { data.with_test(split) }.expect("the items are of the same type")
}

/// Digits with flaws: training images 10 and 11 are blank, 20 is constant, 30 repeats 29, 40 equals test image 3, 50 is
/// its own negative, 60 and 62 have another digit's label; test image 5 repeats 4.
fn flawed() -> Dataset {
    const SIZE: usize = 784;
    let data = digits(7);
    let tested = Images::of(test_part(&data)).expect("digits are images").image(3).to_vec();
    let class = test_part(&data).targets().class(3).expect("it has a class") as u8;
    let data = altered(data, true, |pixels, labels| {
        pixels[10 * SIZE..12 * SIZE].fill(0);
        pixels[20 * SIZE..21 * SIZE].fill(77);
        pixels.copy_within(29 * SIZE..30 * SIZE, 30 * SIZE);
        pixels[40 * SIZE..41 * SIZE].copy_from_slice(&tested);
        pixels[50 * SIZE..51 * SIZE].iter_mut().for_each(|ink| *ink = 255 - *ink);
        labels[40] = class;
        [60, 62].iter().for_each(|&i: &usize| labels[i] = (labels[i] + 1) % 10);
    });
    altered(data, false, |pixels, _| pixels.copy_within(4 * SIZE..5 * SIZE, 5 * SIZE))
}

fn found_in(data: &Dataset) -> Check {
    check(data).expect("digits can be checked")
}

#[test]
fn each_flaw_is_found_where_it_is() {
    let data = flawed();
    let found = found_in(&data);
    assert_eq!((&found.train.blank, &found.train.constant), (&vec![10, 11], &vec![20]));
    assert_eq!((&found.train.duplicate, &found.shared), (&vec![11, 30, 40], &vec![40]));
    assert_eq!((&found.test.blank, &found.test.constant, &found.test.duplicate), (&vec![], &vec![], &vec![5]));
    let outliers = &found.train.outliers;
    assert!(outliers[0].index == 50 && outliers[0].deviations > 10.0, "{outliers:?}");
    assert!(outliers.len() < 30 && outliers.iter().all(|outlier| outlier.deviations >= 4.0), "{outliers:?}");
    let labels = found.train.with(Flaw::Label);
    for i in [60, 62] {
        assert!(labels.contains(&i), "the label of {i} is not doubted: {labels:?}");
        let doubt = found.train.doubts.iter().find(|doubt| doubt.index == i).expect("it is there");
        assert_eq!(Some(doubt.guess), digits(7).train().targets().class(i), "what it is");
    }
    assert!(labels.len() < 60, "{} of 10,000 labels are doubted, but few are wrong", labels.len());
    assert!(found.train.classes.iter().sum::<usize>() == 10_000 && found.test.classes == [200; 10]);
    assert_eq!(found_in(&data), found);
}

#[test]
fn a_sound_set_has_neither_blanks_nor_duplicates() {
    let found = found_in(&digits(7));
    for flaw in [Flaw::Blank, Flaw::Constant, Flaw::Duplicate] {
        assert_eq!((found.train.with(flaw), found.test.with(flaw)), (vec![], vec![]), "{flaw}");
    }
    assert_eq!((found.train.classes, found.shared), (vec![1000; 10], vec![]));
}

#[test]
fn the_smallest_sets_can_be_checked() {
    let one = Split::of_images([1, 2], vec![1, 2], vec![4]).expect("an image per label");
    let none = one.select(&[]);
    for (train, test) in [(&one, &one), (&one, &none), (&none, &one), (&none, &none)] {
        let source = Provenance { format: "test", place: "small".to_owned() };
        let data = Dataset::new("small", Task::classify(5), train.clone(), source);
        let data = data.and_then(|data| data.with_test(test.clone())).expect("the parts go together");
        let found = found_in(&data);
        assert_eq!(found.shared.len(), train.len() * test.len());
        assert!(found.train.outliers.is_empty() && found.train.doubts.is_empty());
    }
}

#[test]
fn what_has_no_bytes_or_no_classes_is_not_checked_and_a_missing_test_part_has_no_flaws() {
    let field = |values| Field::new("x", [2], values).expect("whole items");
    let set = |inputs: Vec<Field>, targets: Field, task: Task| {
        let source = Provenance { format: "test", place: "two".to_owned() };
        let split = Split::new(inputs, targets).expect("as many");
        Dataset::new("two", task, split, source).expect("sound")
    };
    let classes = || Field::new("y", [], FieldValues::U16(vec![1, 0])).expect("whole items");
    let bytes = || field(FieldValues::U8(vec![1, 2, 1, 2]));
    let found = found_in(&set(vec![bytes()], classes(), Task::classify(2)));
    assert_eq!((found.train.classes, found.train.duplicate), (vec![1, 1], vec![1]));
    assert_eq!((found.test.classes, found.test.doubts, found.shared), (vec![0, 0], vec![], vec![]));
    let numbers = Field::new("y", [1], FieldValues::F32(vec![0.5, 1.5])).expect("whole items");
    let regress = Task::Regress { outputs: vec!["y".to_owned()] };
    for (data, words) in [
        (set(vec![field(FieldValues::F32(vec![0.5; 4]))], classes(), Task::classify(2)), "found inputs of [2] f32"),
        (set(vec![bytes(), bytes()], classes(), Task::classify(2)), "found inputs of [2] u8 and [2] u8"),
        (set(vec![bytes()], numbers, regress), "two (test): expected items with class labels"),
    ] {
        let error = check(&data).expect_err(words);
        assert!(error.kind() == Kind::Data && error.cause().contains(words), "{error}");
    }
}

#[test]
fn images_with_flaws_are_left_out_and_counted_once() {
    let drop = |drop: &[Flaw]| {
        let preparation = Preparation { drop: drop.to_vec(), ..Preparation::default() };
        let (data, dropped) = preparation.apply(flawed()).expect("most images are sound");
        (data.train().len(), dropped.iter().map(|Dropped { items, .. }| *items).collect::<Vec<_>>(), data)
    };
    let (left, dropped, data) = drop(&[Flaw::Blank, Flaw::Duplicate]);
    assert_eq!((left, dropped), (10_000 - 4, vec![2, 2]), "11 is blank and a duplicate");
    let found = found_in(&data);
    assert!(found.train.blank.is_empty() && found.train.duplicate.is_empty() && found.shared.is_empty());
    assert_eq!((test_part(&data).len(), found.test.duplicate), (2000, vec![5]), "the test is left as it is");
    assert_eq!(drop(&[Flaw::Duplicate, Flaw::Blank]).1, [3, 1]);
    assert_eq!((drop(&[]).0, drop(&[Flaw::Constant]).1), (10_000, vec![1]));
}

#[test]
fn a_set_of_flaws_alone_is_refused() {
    let data = altered(digits(7).first(2, 10), true, |pixels, _| pixels.fill(0));
    let preparation = Preparation { drop: vec![Flaw::Blank], ..Preparation::default() };
    let error = preparation.apply(data).expect_err("nothing is left");
    assert!(error.kind() == Kind::Data && error.cause().contains("all 2 training images"), "{error}");
    let error = "smudge".parse::<Flaw>().expect_err("no flaw");
    assert!(error.kind() == Kind::Usage && error.cause().contains("blank, constant, duplicate, outlier, label"));
}
