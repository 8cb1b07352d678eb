//! The self-test before training: detects variants that fail on the device, and replaces them.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

mod common;

use shadegrad::data::{Dataset, digits};
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, Gpu, GpuExecutor, Pipelines};
use shadegrad::kernel::{Args, Caps, Case, Effort, Kernel, Real, Tolerance, Values, Variant};
use shadegrad::nn::toml::TomlTable;
use shadegrad::nn::{Augment, MlpConfig, ModelConfig};
use shadegrad::ops::update::adam::{AdamKernel, AdamParams};
use shadegrad::optim::{RmsProp, Schedule, Sgd, UpdateConfig};
use shadegrad::plan::{Dispatch, Plan};
use shadegrad::random::Random;
use shadegrad::train::{TrainConfig, Trainer};
use shadegrad::verify::{Passed, SelfTest, self_test};
use std::sync::Arc;
use std::time::Instant;

/// Adam in several variants, some faulty: name, and what is replaced by what in the shader.
struct DoubtfulAdam {
    variants: &'static [(&'static str, &'static str, &'static str)],
}

const BROKEN: (&str, &str, &str) = ("broken", "var w = weight[i];", "weight[i] += lost;");
const SOUND: (&str, &str, &str) = ("sound", "", "");
const CORRECTION: (&str, &str, &str) = ("correction", "v / rates[CORRECTION2]", "v / (rates[CORRECTION2] * 1.001)");
/// No case of the kernel's own is this long.
const LENGTH: (&str, &str, &str) = ("length", "i < params.n / 4u", "i < min(params.n / 4u, 150000u)");

impl Kernel for DoubtfulAdam {
    type Params = AdamParams;

    fn name(&self) -> &'static str {
        Kernel::name(&AdamKernel)
    }
    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let plain = Kernel::variants(&AdamKernel, caps).swap_remove(0);
        let edited = |(name, from, to): &(&str, &str, &str)| {
            assert!(plain.source().contains(from), "`{from}` not found, needed for {name}");
            plain.edited(*name, |part| part.replace(from, to))
        };
        self.variants.iter().map(edited).collect()
    }
    fn groups(&self, params: &AdamParams, variant: &Variant) -> u64 {
        Kernel::groups(&AdamKernel, params, variant)
    }
    fn flops(&self, params: &AdamParams) -> u64 {
        Kernel::flops(&AdamKernel, params)
    }
    fn twin<T: Real>(&self, params: &AdamParams, args: &mut Args<'_, T>) {
        AdamKernel.twin(params, args);
    }
    fn tolerance(&self, case: &Case<AdamParams>, output: &str, values: &Values) -> Tolerance {
        Kernel::tolerance(&AdamKernel, case, output, values)
    }
    fn cases(&self, effort: Effort) -> Vec<Case<AdamParams>> {
        Kernel::cases(&AdamKernel, effort)
    }
    fn fill(&self, case: &Case<AdamParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        Kernel::fill(&AdamKernel, case, binding, n, random)
    }
}

fn plan(config: &TrainConfig, data: &Dataset) -> Plan {
    Trainer::<GpuExecutor>::plan(config, data, &Caps::unlimited()).expect("the settings are valid").1
}

/// The plan of a run that clips gradients, with this kernel as the update.
fn updated_by(adam: &'static DoubtfulAdam) -> Plan {
    let update = UpdateConfig { clip_norm: Some(1.0), ..UpdateConfig::default() };
    let mut plan = plan(&TrainConfig { update, ..TrainConfig::default() }, &digits(7));
    let update = plan.sections[0].dispatches.last_mut().expect("a step has dispatches");
    assert_eq!(update.kernel.name(), "adam");
    update.kernel = adam;
    plan
}

fn test(gpu: Arc<Gpu>, plan: &Plan, passed: &mut Passed) -> Result<SelfTest> {
    pollster::block_on(self_test(gpu, plan, &mut Pipelines::new(Checks::Off), passed))
}

#[test]
fn a_faulty_variant_is_replaced_by_the_next_that_is_sound() {
    static ADAM: DoubtfulAdam = DoubtfulAdam { variants: &[CORRECTION, BROKEN, LENGTH, SOUND] };
    let plan = updated_by(&ADAM);
    let mut passed = Passed::default();
    let tested = test(common::gpu(), &plan, &mut passed).expect("one variant is sound");
    let replaced: Vec<_> = tested.replaced.iter().map(|r| [r.kernel, &r.variant, &r.by]).collect();
    assert_eq!(replaced, [["adam", "correction", "broken"], ["adam", "broken", "length"], ["adam", "length", "sound"]]);
    for (replaced, words) in tested.replaced.iter().zip([
        ["n=814144 ", "`weight`: element 0 ", "expected "],
        ["adam broken fails", "weight[i] += lost", "lost"],
        ["n=814144 ", "`weight`: element 600000 ", "expected "],
    ]) {
        let text = replaced.to_string();
        println!("{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let executor = GpuExecutor::with_pipelines(tested.gpu.clone(), plan.clone(), Pipelines::new(Checks::Off));
    pollster::block_on(executor).expect("the plan runs on the device");
    let table = plan.explain(Some(&tested.gpu.caps)).expect("it can be explained");
    let update = table.lines().find(|line| line.contains(" update ")).expect("it is in the table");
    assert!(update.contains(" sound "), "{update}");

    // Failed variants are found again, even if others passed; passed ones are not tested again.
    let again = test(common::gpu(), &plan, &mut passed).expect("one variant is sound");
    assert_eq!((again.replaced, again.tests), (tested.replaced, 3));
    assert_eq!(test(tested.gpu, &plan, &mut passed).expect("all have passed").tests, 0);
}

#[test]
fn a_variant_that_fails_with_several_parameters_is_replaced_once() {
    static ADAM: DoubtfulAdam = DoubtfulAdam { variants: &[CORRECTION, SOUND] };
    let mut plan = updated_by(&ADAM);
    let update = plan.sections[0].dispatches.last().expect("a step has dispatches");
    let params: AdamParams = bytemuck::pod_read_unaligned(&update.params);
    let decaying = AdamParams { decayed: params.n, decay: 0.1, ..params };
    let decaying = Dispatch { params: bytemuck::bytes_of(&decaying).to_vec(), ..update.clone() };
    plan.sections[0].dispatches.push(decaying);
    let tested = test(common::gpu(), &plan, &mut Passed::default()).expect("one variant is sound");
    assert_eq!(tested.replaced.len(), 1, "{:?}", tested.replaced);
    let alone = updated_by(&ADAM);
    let fewer = test(common::gpu(), &alone, &mut Passed::default()).expect("one variant is sound");
    assert_eq!(fewer.tests + 2, tested.tests, "the second parameters are tested with both variants");
}

#[test]
fn a_kernel_without_a_sound_variant_is_refused() {
    static ADAM: DoubtfulAdam = DoubtfulAdam { variants: &[CORRECTION, LENGTH] };
    let refused = test(common::gpu(), &updated_by(&ADAM), &mut Passed::default()).expect_err("none is sound");
    assert_eq!(refused.exit_code(), 5);
    for word in ["no variant of adam passes", "element 600000", "expected"] {
        assert!(refused.cause().contains(word), "{refused}");
    }
}

#[test]
fn what_has_passed_is_kept_in_a_file_and_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made/for/it");
    let config = TrainConfig { model: ModelConfig::mlp(&[16], &MlpConfig::default()), ..TrainConfig::default() };
    let data = digits(7);
    let tests = |config: &TrainConfig| {
        let started = Instant::now();
        let mut passed = Passed::read(file.clone());
        let tests = test(common::gpu(), &plan(config, &data), &mut passed).expect("all is well").tests;
        passed.write().expect("it can be written");
        println!("{tests} tests in {:?}", started.elapsed());
        tests
    };
    let all = tests(&config);
    assert!(all > 12, "{all}");
    assert_eq!(tests(&config), 0);
    // Another batch size has other products and rows, but the same update.
    let other = tests(&TrainConfig { batch_size: 64, ..config.clone() });
    assert!(0 < other && other < all, "{other} of {all}");
    let kept = std::fs::read_to_string(&file).expect("it is there");
    assert_eq!(kept.lines().count(), all + other);
    // A damaged line does not count as passed.
    std::fs::write(&file, &kept[1..]).expect("it can be written");
    assert_eq!(tests(&config), 1);
    // An unwritable cache does not prevent the tests.
    let mut passed = Passed::read(folder.path().to_owned());
    assert_eq!(test(common::gpu(), &plan(&config, &data), &mut passed).expect("all is well").tests, all);
    assert_eq!(passed.write().expect_err("it is a folder").exit_code(), 7);
}

/// A false positive would prevent training.
#[test]
fn sound_kernels_pass_at_the_shapes_of_all_kinds_of_models() {
    let layers = r#"
        label_smoothing = 0.05
        class_weights = "balanced"
        layers = [
            { kind = "linear", outputs = 96, bias = false }, { kind = "batch_norm" }, { kind = "gelu" },
            { kind = "residual", layers = [
                { kind = "layer_norm" }, { kind = "linear", outputs = 96 }, { kind = "tanh" },
                { kind = "dropout", probability = 0.1 },
            ] },
            { kind = "silu" }, { kind = "linear", outputs = 33 }, { kind = "softplus" },
            { kind = "linear", outputs = 20 }, { kind = "leaky_relu" },
            { kind = "linear", outputs = 20 }, { kind = "sigmoid" },
            { kind = "linear", outputs = 20 }, { kind = "gelu_tanh" }, { kind = "linear" },
        ]"#;
    let blueprint =
        |text: &str| ModelConfig::read(&mut TomlTable::parse("layers", text).expect("TOML")).expect("a model");
    let mlp = |widths: &[usize], loss: &str| {
        let loss = shadegrad::nn::LossConfig { loss: loss.parse().expect("a loss"), ..Default::default() };
        ModelConfig::mlp(widths, &MlpConfig { loss, ..MlpConfig::default() })
    };
    let sgd = UpdateConfig::new(Sgd { momentum: 0.9, nesterov: true, weight_decay: 1e-3 }, 1e-3);
    let rmsprop = UpdateConfig::new(RmsProp { weight_decay: 0.01, ..RmsProp::default() }, 1e-3);
    let augment = Augment { rotate: 10.0, erase: 0.1, noise: 0.1, ..Augment::default() };
    let update = |config, schedule| UpdateConfig { schedule, warmup: 3, clip_norm: Some(1.0), ..config };
    let usual = TrainConfig::default();
    let configs = [
        usual.clone(),
        TrainConfig {
            model: blueprint(layers),
            batch_size: 500,
            augment,
            update: update(sgd, Schedule::Cosine),
            ..usual.clone()
        },
        TrainConfig {
            model: mlp(&[77, 1000], "huber"),
            batch_size: 1_000,
            micro_batch: Some(300),
            update: update(rmsprop, Schedule::Step { every: 9, gamma: 0.5 }),
            ..usual.clone()
        },
        TrainConfig { model: mlp(&[1], "softmax-mse"), batch_size: 1, ..usual.clone() },
        TrainConfig { model: mlp(&[300, 100], "binary-cross-entropy"), batch_size: 33, ..usual.clone() },
        TrainConfig { model: mlp(&[], "l1"), batch_size: 10_000, ..usual.clone() },
        TrainConfig { model: mlp(&[4], "mse"), batch_size: 2, ..usual },
    ];
    let (gpu, data, mut passed) = (common::gpu(), digits(7), Passed::default());
    for config in configs {
        let started = Instant::now();
        let tested = test(gpu.clone(), &plan(&config, &data), &mut passed).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(tested.replaced, [], "{config:?}");
        println!("{} tests in {:?}", tested.tests, started.elapsed());
    }
}
