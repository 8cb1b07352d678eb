//! Plans in lockstep: correct ones match dispatch by dispatch on real data, and for faulty ones the first wrong
//! dispatch is reported and saved.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;
mod faulty;

use faulty::Faulty;
use safetensors::SafeTensors;
use shadegrad::data::{Dataset, digits};
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::{AnyKernel, Caps};
use shadegrad::nn::toml::TomlTable;
use shadegrad::nn::{Augment, MlpConfig, ModelConfig, Normalization};
use shadegrad::ops::matmul;
use shadegrad::optim::UpdateConfig;
use shadegrad::plan::{Executor, Plan};
use shadegrad::planner::Set;
use shadegrad::train::{ModelFile, TrainConfig, Trainer, upload_split, upload_weights};
use shadegrad::verify::{Parted, Step, Worst, lockstep, lockstep_model};

fn data() -> Dataset {
    let data = digits(7).first(300, 100);
    let validation = data.test().map(|test| test.range(0..50));
    data.with_validation(validation).expect("the items are digits")
}

/// An executor of a modified training plan, with its initial data uploaded.
fn ready(config: &TrainConfig, alter: impl FnOnce(&mut Plan)) -> GpuExecutor {
    let data = data();
    let (model, mut plan) =
        Trainer::<GpuExecutor>::plan(config, &data, &Caps::unlimited()).expect("the settings are valid");
    alter(&mut plan);
    let mut executor =
        pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("the plan runs on the device");
    for (set, split) in
        [(Set::Train, Some(data.train())), (Set::Test, data.test()), (Set::Validation, data.validation())]
    {
        let split = split.expect("each part is there");
        upload_split(&mut executor, set, split).expect("the images fit");
    }
    upload_weights(&mut executor, &model, &model.initial(config.seed)).expect("the weights fit");
    executor
}

/// The outcome of these sections in order: the matching dispatches, and their worst error.
fn run(executor: &mut GpuExecutor, sections: &[&str]) -> (Option<Parted>, Vec<String>, Worst) {
    let (mut agreed, mut all) = (Vec::new(), Worst::default());
    for section in sections {
        let parted = pollster::block_on(lockstep(executor, section, |step| {
            agreed.push(step.label.to_owned());
            all.include(step.worst);
            Ok(())
        }));
        let parted = parted.expect("the device works");
        if parted.is_some() {
            return (parted, agreed, all);
        }
    }
    (None, agreed, all)
}

#[test]
fn sound_plans_agree_with_their_twins_on_real_data() {
    let layers = r#"
        label_smoothing = 0.05
        layers = [
            { kind = "linear", outputs = 24, bias = false }, { kind = "batch_norm" }, { kind = "gelu" },
            { kind = "residual", layers = [
                { kind = "layer_norm" }, { kind = "linear", outputs = 24 }, { kind = "tanh" },
                { kind = "dropout", probability = 0.1 },
            ] },
            { kind = "silu" }, { kind = "linear" },
        ]"#;
    let layers = ModelConfig::read(&mut TomlTable::parse("layers", layers).expect("TOML")).expect("a model");
    let update = UpdateConfig { clip_norm: Some(1.0), warmup: 2, ..UpdateConfig::default() };
    let usual = TrainConfig { patience: Some(2), ..TrainConfig::default() };
    for config in [
        usual.clone(),
        TrainConfig {
            model: layers,
            micro_batch: Some(50),
            update,
            augment: Augment { rotate: 10.0, shift: 2.0, ..Augment::default() },
            normalize: Normalization::Standard,
            ..usual
        },
    ] {
        let mut executor = ready(&config, |_| ());
        let measure = executor.plan().section("measure").is_ok();
        let begin: &[&str] = if measure { &["measure"] } else { &[] };
        let sections =
            [begin, &["train", "train", "train", "scan", "evaluate", "validate", "keep", "restore"]].concat();
        let (parted, agreed, worst) = run(&mut executor, &sections);
        assert!(parted.is_none(), "{}", parted.expect("it was there"));
        println!("{} dispatches agree: {worst:?}", agreed.len());
        let expected = sections.iter().map(|name| executor.plan().section(name).expect("it is there").dispatches.len());
        assert_eq!(agreed.len(), expected.sum::<usize>());
    }
}

#[test]
fn a_model_of_a_file_goes_through_training_and_evaluation() {
    let (data, blueprint) = (data(), ModelConfig::mlp(&[30], &MlpConfig::default()));
    let model = blueprint.build(data.train().features(), 10).expect("the widths are valid");
    let file = ModelFile { weights: model.initial(3), model };
    let mut labels = Vec::new();
    let watch = |step: Step<'_>| {
        labels.push(step.label.to_owned());
        Ok(())
    };
    let parted = pollster::block_on(lockstep_model(common::gpu(), &file, &data, 2, watch)).expect("the device works");
    assert!(parted.is_none(), "{}", parted.expect("it was there"));
    let count = |label: &str| labels.iter().filter(|other| other.ends_with(label)).count();
    assert_eq!([count("gather batch"), count("and update"), count("scan weights")], [3, 4, 1]);
    let other = ModelFile { weights: vec![vec![0.0; 3]; file.weights.len()], ..file };
    let refused = pollster::block_on(lockstep_model(common::gpu(), &other, &data, 1, |_| Ok(())));
    assert!(refused.is_err_and(|error| error.cause().contains("weights/fc1.weight")));
}

/// A section leaves the same bits with and without lockstep.
#[test]
fn steps_in_lockstep_are_those_of_training() {
    let config = TrainConfig { model: ModelConfig::mlp(&[20], &MlpConfig::default()), ..TrainConfig::default() };
    let (mut stepped, mut whole) = (ready(&config, |_| ()), ready(&config, |_| ()));
    run(&mut stepped, &["train", "train"]);
    whole.run("train", 2).expect("it runs");
    for name in ["weights", "first_moment", "second_moment", "train/metrics", "train/rates"] {
        let words = |executor: &mut GpuExecutor| {
            let slot = executor.memory().find(name).expect("the plan has this slot");
            pollster::block_on(executor.fetch_words(slot).expect("it can be read")).expect("it arrives")
        };
        assert_eq!(words(&mut stepped), words(&mut whole), "{name}");
    }
}

#[test]
fn the_first_dispatch_that_is_wrong_is_named_and_kept() {
    static FAULTY: Faulty =
        Faulty { kernel: &matmul::TN_ADAM, from: "row < params.m &&", to: "row + 1u < params.m &&" };
    let place =
        |plan: &Plan| plan.sections[0].dispatches.iter().position(|dispatch| dispatch.kernel.name() == FAULTY.name());
    let mut number = 0;
    let mut executor = ready(&TrainConfig::default(), |plan| {
        number = place(plan).expect("weights have gradients");
        plan.sections[0].dispatches.iter_mut().filter(|dispatch| dispatch.kernel.name() == FAULTY.name()).for_each(
            |dispatch| {
                dispatch.kernel = &FAULTY;
            },
        );
    });
    let (parted, agreed, _) = run(&mut executor, &["train"]);
    let parted = parted.expect("a row is never written");
    println!("{parted}");
    assert_eq!((agreed.len(), parted.number, parted.section.as_str()), (number, number + 1, "train"));
    let error = parted.error();
    assert_eq!(error.exit_code(), 5);
    for word in ["train, dispatch ", "matmul_tn_adam", "m=1024 k=128 n=10", "`out`", "never written"] {
        assert!(error.cause().contains(word), "`{word}` is not in: {error}");
    }

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("wrong.safetensors");
    parted.save(&path).expect("it can be written");
    let bytes = std::fs::read(&path).expect("it is there");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let shape = |name: &str| file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).shape().to_vec();
    assert_eq!([shape("before/a"), shape("before/b"), shape("found/out")], [[128, 1024], [128, 10], [1024, 10]]);
    assert_eq!(shape("expected/out"), [1024, 10]);
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let about = &header.metadata().as_ref().expect("metadata")["shadegrad"];
    assert!(about.contains("never written") && about.contains("fn main("), "{about}");
    assert!(parted.save(folder.path()).is_err_and(|error| error.exit_code() == 7));
}
