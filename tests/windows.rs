//! Arenas that are larger than a binding are bound in windows, with the same results.

mod common;

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::error::Kind;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::kernel::{Array, Caps};
use shadegrad::nn::layer::{Layer, LayerNorm, Linear};
use shadegrad::nn::{MlpConfig, ModelConfig};
use shadegrad::ops::counter;
use shadegrad::ops::elementwise::copy::{self, CopyArrayKernel, CopyParams};
use shadegrad::ops::elementwise::relu::{ReluKernel, ReluParams};
use shadegrad::ops::update::square_sums::{SquareSumsKernel, SquareSumsParams};
use shadegrad::optim::{UpdateConfig, by_name, registry};
use shadegrad::plan::{Dispatch, Executor, Memory, Plan, Role, SlotId};
use shadegrad::planner::add_scan;
use shadegrad::shape::{DType, Shape};
use shadegrad::train::{TrainConfig, Trainer};
use std::sync::Arc;

fn array(memory: &mut Memory, name: &str, n: usize) -> SlotId {
    memory.array(name, Role::Scratch, DType::F32, [n]).expect("it is small")
}

#[test]
fn windows_cover_arrays_in_ranges_that_can_be_bound() {
    let cut = |words: usize, bytes: u64| {
        let mut memory = Memory::within(bytes);
        let [a, b] = ["a", "b"].map(|name| array(&mut memory, name, words));
        let windows = memory.windows(&[a, b]).expect("they are of one size");
        for window in &windows {
            for (&slot, whole) in window.slots.iter().zip([a, b]) {
                let [slot, whole] = [slot, whole].map(|id| memory.slot(id));
                assert_eq!((slot.buffer, slot.offset, slot.words), (whole.buffer, window.range.start, window.words()));
            }
        }
        if let [only] = windows.as_slice() {
            assert_eq!(only.slots, [a, b], "no slots of their own");
        }
        assert_eq!(memory.windows(&[a, b]).expect("again"), windows, "the same slots serve again");
        windows
    };
    let ranges = |words, bytes| {
        cut(words, bytes).into_iter().map(|window| [window.range.start, window.range.end]).collect::<Vec<_>>()
    };
    assert_eq!(ranges(1000, 4000), [[0, 1000]]);
    assert_eq!(ranges(1000, 3999), [[0, 960], [960, 1000]]);
    assert_eq!(ranges(1024, 1024), [[0, 256], [256, 512], [512, 768], [768, 1024]]);
    assert_eq!(ranges(130, 1), [[0, 64], [64, 128], [128, 130]], "never less than an offset's alignment");
    assert_eq!(ranges(0, 1), [[0, 0]]);
    let windows = cut(1000, 2048);
    assert_eq!(windows[1].label("update"), "update, window 2 of 2");
    assert_eq!(cut(1000, 4096)[0].label("update"), "update");
    let first = |count| windows.iter().map(|window| window.of_first(count)).collect::<Vec<_>>();
    assert_eq!(
        [first(0), first(64), first(512), first(600), first(1000)],
        [[0, 0], [64, 0], [512, 0], [512, 88], [512, 488]]
    );
    // Two arrays of one name have windows of their own.
    let mut memory = Memory::within(1024);
    let twins = [(); 2].map(|()| array(&mut memory, "twin", 300));
    let last = memory.windows(&twins).expect("they are of one size").swap_remove(1);
    assert_eq!(last.slots.iter().map(|&id| memory.slot(id).buffer).collect::<Vec<_>>(), [0, 1]);
    let mut memory = Memory::within(1024);
    let [a, b] = [("a", 1000), ("b", 1001)].map(|(name, words)| array(&mut memory, name, words));
    let error = memory.windows(&[a, b]).expect_err("they are of two sizes");
    assert!(error.kind() == Kind::Usage && error.cause().contains("a has 1000 words, b has 1001"), "{error}");
}

#[test]
fn a_buffer_is_held_to_the_buffer_limit_and_a_slot_to_the_binding_limit() {
    let caps = Caps { max_binding_bytes: 2048, max_buffer_bytes: 4096, ..Caps::portable() };
    let plan = |words, bytes| {
        let mut plan = Plan::within(bytes);
        let [a, out] = ["a", "out"].map(|name| array(&mut plan.memory, name, words));
        plan.begin("all");
        copy::record(&mut plan, "copy", [a, out]).expect("they are of one size");
        (plan.sections[0].dispatches.len(), plan.validate(&caps))
    };
    assert_eq!(plan(512, u64::MAX), (1, Ok(())));
    assert_eq!(plan(1024, 2048), (2, Ok(())));
    let (_, refused) = plan(513, u64::MAX);
    let error = refused.expect_err("one binding is too large");
    assert!(
        error.kind() == Kind::Device && error.cause() == "a needs 2052 bytes in one binding, the device allows 2048"
    );
    assert!(error.advice().contains("a narrower layer"), "{error}");
    let (_, refused) = plan(1025, 2048);
    let error = refused.expect_err("the buffer is too large");
    assert!(error.cause().contains("a needs 4100 bytes in one buffer, the device allows 4096"), "{error}");
}

#[test]
fn a_kernel_is_held_to_what_a_workgroup_may_have() {
    let mut plan = Plan::default();
    let [a, out] = ["a", "out"].map(|name| array(&mut plan.memory, name, 1024));
    plan.begin("all");
    let params = SquareSumsParams::new(1024);
    let sums = plan.memory.view(out, "sums", [params.parts as usize]).expect("it is smaller");
    plan.dispatch("sums", &SquareSumsKernel, params, &[("a", a), ("out", sums)]).expect("shapes agree");
    let portable = Caps::portable();
    plan.validate(&portable).expect("it is portable");
    for (caps, expected) in [
        (
            Caps { workgroup_bytes: 1023, ..portable.clone() },
            "sums: plain needs 1024 bytes of workgroup memory, the device allows 1023",
        ),
        (Caps { invocations: 255, ..portable.clone() }, "256 invocations in a workgroup, the device allows 255"),
        (Caps { storage_buffers: 1, ..portable }, "2 storage buffers, the device allows 1"),
    ] {
        let error = plan.validate(&caps).expect_err("the device allows less");
        assert!(error.kind() == Kind::Device && error.cause().contains(expected), "{error}");
    }
}

/// One dispatch reads a window that another has written, and the whole is written once all windows are.
#[test]
fn windows_of_a_transient_are_followed_word_by_word() {
    let n = 200;
    let record = |windows: &[usize]| {
        let mut plan = Plan::within(256);
        let a = plan.memory.array("a", Role::Data, DType::F32, [n]).expect("it is small");
        let b = plan.memory.array("b", Role::Transient, DType::F32, [n]).expect("it is small");
        let out = array(&mut plan.memory, "out", n);
        plan.begin("all");
        let cut = plan.memory.windows(&[a, b]).expect("they are of one size");
        assert_eq!(cut.len(), 4);
        for &window in windows {
            let params = CopyParams { n: cut[window].words() as u32 };
            let bindings = [("a", cut[window].slots[0]), ("out", cut[window].slots[1])];
            plan.dispatch("copy", &CopyArrayKernel, params, &bindings).expect("shapes agree");
        }
        plan.dispatch("relu", &ReluKernel, ReluParams { n: n as u32 }, &[("a", b), ("out", out)])
            .expect("shapes agree");
        plan.validate(&Caps::portable())
    };
    record(&[3, 1, 0, 2]).expect("all windows are written");
    let error = record(&[3, 1, 0]).expect_err("one is not");
    assert!(error.cause().contains("`a` reads b before its word 128 is written"), "{error}");
}

/// What a scan records of an arena in which these elements are not finite.
fn scanned<E: Executor>(new: impl Fn(Plan) -> E, bytes: u64, bad: &[usize]) -> (usize, Vec<u32>) {
    let n = 3 * 640;
    let mut plan = Plan::within(bytes);
    let tensors = ["a", "b", "c"].map(|name| (name.to_owned(), Shape::from([640])));
    let weights = plan.memory.arena("weights", Role::Parameter, &tensors).expect("it is small").all;
    let counters = plan.memory.array("counters", Role::Carried, DType::U32, [counter::COUNT]).expect("it is small");
    let out = array(&mut plan.memory, "out", n);
    plan.begin("train");
    plan.dispatch("relu", &ReluKernel, ReluParams { n: n as u32 }, &[("a", weights), ("out", out)])
        .expect("shapes agree");
    let record = add_scan(&mut plan, counters).expect("it trains").record;
    let dispatches = plan.sections[1].dispatches.len();
    let mut executor = new(plan);
    let mut numbers = vec![1.0; n];
    bad.iter().for_each(|&i| numbers[i] = [f32::NAN, f32::INFINITY][i % 2]);
    executor.write_f32(weights, &numbers).expect("it fits");
    executor.run("scan", 1).expect("it runs");
    let words = pollster::block_on(executor.fetch_words(record).expect("it is asked for")).expect("it arrives");
    (dispatches, words)
}

#[test]
fn a_scan_in_windows_finds_what_one_over_all_finds() {
    for (bad, expected) in [
        (&[][..], [0, 0, 0]),
        (&[0], [1, 0, 0]),
        (&[1919], [1, 1919, 0]),
        (&[700, 1000, 1001, 1500], [4, 700, 0]),
        (&[1023, 1024], [2, 1023, 0]),
    ] {
        for (bytes, windows) in [(u64::MAX, 1), (4096, 2), (1024, 8), (256, 30)] {
            let expected = (windows + 1, expected.to_vec());
            assert_eq!(scanned(on_device, bytes, bad), expected, "device, {bytes} bytes, {bad:?}");
            assert_eq!(scanned(on_twins, bytes, bad), expected, "twins, {bytes} bytes, {bad:?}");
        }
    }
}

/// A run of a few epochs on small images, with parts of an update that only some runs have.
fn runs() -> Vec<(&'static str, TrainConfig)> {
    let [first, second, last] = [Some(16), Some(12), None].map(|width| Arc::new(Linear::new(width)) as Arc<dyn Layer>);
    let base = TrainConfig {
        // No product gives the gradients of a norm, so that no product updates.
        model: ModelConfig::new([first, Arc::new(LayerNorm), second, last]),
        batch_size: 64,
        epochs: 2,
        ..TrainConfig::default()
    };
    let with = |name| {
        let update =
            UpdateConfig { optimizer: Arc::from(by_name(name).expect("it is there")), ..UpdateConfig::default() };
        (name, TrainConfig { update, ..base.clone() })
    };
    let mut runs: Vec<_> = registry().iter().map(|optimizer| with(optimizer.name())).collect();
    let clip = UpdateConfig { clip_norm: Some(1e6), ..UpdateConfig::default() };
    runs.push(("clipping", TrainConfig { update: clip, ..base.clone() }));
    runs.push(("micro-batches", TrainConfig { micro_batch: Some(24), ..base.clone() }));
    runs.push(("patience", TrainConfig { patience: Some(1), ..base.clone() }));
    runs
}

fn data() -> Dataset {
    let data = digits(5).first(300, 40);
    let test = data.test().cloned();
    data.with_validation(test).expect("they are of one type")
}

/// Weights after a run, and the bytes of the largest binding of what goes over whole arenas.
fn trained<E: Executor>(
    new: impl Fn(Plan) -> E,
    config: &TrainConfig,
    data: &Dataset,
    caps: &Caps,
) -> (Vec<Vec<f32>>, usize) {
    let (model, plan) = Trainer::<E>::plan(config, data, caps).expect("the settings are valid");
    let over_arenas = ["adam", "sgd", "rmsprop", "clip", "square_sums", "non_finite", "copy", "accumulate"];
    let dispatches = plan.sections.iter().flat_map(|section| &section.dispatches);
    let dispatches = dispatches.filter(|dispatch| over_arenas.contains(&dispatch.kernel.name()));
    let words = dispatches.flat_map(|dispatch| dispatch.slots.iter().map(|&id| plan.memory.slot(id).words)).max();
    let mut trainer = Trainer::new(new(plan), model, config.clone(), data).expect("the data fit");
    pollster::block_on(trainer.train(|_| Ok(()))).expect("training ends well");
    let weights = pollster::block_on(trainer.weights()).expect("they can be read");
    (weights.into_iter().map(|(_, _, weights)| weights).collect(), 4 * words.unwrap_or(0))
}

fn windows_leave_the_bits_alone<E: Executor>(new: impl Fn(Plan) -> E) {
    let data = data();
    for (name, whole) in runs() {
        let (expected, bytes) = trained(&new, &whole, &data, &Caps::unlimited());
        assert!(bytes > 50_000, "{name}: one binding holds all");
        for limit in [16 << 10, 4 << 10] {
            let (weights, bytes) = trained(&new, &whole, &data, &within(limit));
            assert!(bytes as u64 <= limit, "{name}: {bytes} bytes are bound, {limit} allowed");
            assert!(weights == expected, "{name}: other bits in windows of {limit} bytes");
        }
    }
}

#[test]
fn windows_leave_the_bits_of_training_alone_on_the_device() {
    windows_leave_the_bits_alone(on_device);
}

#[test]
fn windows_leave_the_bits_of_training_alone_on_the_twins() {
    windows_leave_the_bits_alone(on_twins);
}

/// Products that update the weights bind the arena from a weight to its bias, as long as one binding can hold that.
#[test]
fn products_update_within_windows() {
    let data = data();
    let model = ModelConfig::mlp(&[16], &MlpConfig::default());
    let fused = TrainConfig { model, batch_size: 64, epochs: 1, ..TrainConfig::default() };
    // Weights of 784x16 and 16x10 and two biases, each at a multiple of 64.
    let words = 12_544 + 192 + 64 + 64;
    let kernels = |caps: &Caps| {
        let (_, plan) = Trainer::<GpuExecutor>::plan(&fused, &data, caps).expect("the settings are valid");
        let updates = plan.sections[0].dispatches.iter().filter(|dispatch| dispatch.slot("first_moment").is_some());
        let bound =
            |dispatch: &Dispatch| 4 * plan.memory.slot(dispatch.slot("weight").expect("it updates")).words as u64;
        updates.map(|dispatch| (dispatch.kernel.name(), bound(dispatch))).collect::<Vec<_>>()
    };
    let (expected, _) = trained(on_device, &fused, &data, &Caps::unlimited());
    for (bound, names) in
        [(words, &["matmul_tn_adam"; 2][..]), (words - 64, &["matmul_tn_adam"; 2]), (words - 128, &["adam"; 2])]
    {
        let caps = within(4 * bound);
        let kernels = kernels(&caps);
        assert!(kernels.iter().all(|&(_, bytes)| bytes <= 4 * bound), "{kernels:?}");
        assert_eq!(kernels.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names, "{bound} words");
        let (weights, _) = trained(on_device, &fused, &data, &caps);
        assert!(names[0] == "adam" || weights == expected, "other bits within {bound} words");
        let twins = |caps| trained(on_twins, &fused, &data, caps).0;
        assert!(twins(&caps) == twins(&Caps::unlimited()), "twins, {bound} words");
    }
}

/// The norm of all gradients, out of the norms of windows, agrees with that of one window but for rounding.
#[test]
fn clipping_by_the_norm_of_windows_agrees_with_clipping_by_one() {
    let data = data();
    let norm = |limit: u64| {
        let update = UpdateConfig { clip_norm: Some(0.1), ..UpdateConfig::default() };
        let model = ModelConfig::mlp(&[16, 12], &MlpConfig::default());
        let config = TrainConfig { model, update, ..TrainConfig::default() };
        let (model, plan) =
            Trainer::<GpuExecutor>::plan(&config, &data, &within(limit)).expect("the settings are valid");
        let trainer = Trainer::new(on_device(plan), model, config, &data).expect("the data fit");
        let mut executor = trainer.into_executor();
        executor.run("train", 1).expect("it runs");
        ["gradients.norm", "gradients"].map(|name| {
            let slot = executor.memory().find(name).expect("it is there");
            match pollster::block_on(executor.read(slot)).expect("it can be read") {
                Array::Real(numbers) => numbers.iter().map(|x| x * x).sum::<f64>().sqrt(),
                Array::Word(_) => panic!("norms are numbers"),
            }
        })
    };
    let [whole, clipped] = norm(u64::MAX);
    assert!(whole > 0.2 && (clipped - 0.1).abs() < 1e-6, "{whole} is clipped to {clipped}");
    for limit in [16 << 10, 1 << 10, 256] {
        let [windows, clipped] = norm(limit);
        assert!((windows / whole - 1.0).abs() < 1e-6, "{windows} instead of {whole}");
        assert!((clipped - 0.1).abs() < 1e-6, "clipped to {clipped}");
    }
}

#[test]
#[ignore = "long: a model of 300 MB, whose arenas are larger than a binding of 128 MiB"]
fn a_model_larger_than_a_binding_trains() {
    let gpu = common::gpu();
    let caps = Caps { max_binding_bytes: gpu.caps.max_binding_bytes.min(128 << 20), ..gpu.caps.clone() };
    let data = data();
    let model = ModelConfig::mlp(&[5_000; 4], &MlpConfig::default());
    let config = TrainConfig { model, batch_size: 50, epochs: 2, ..TrainConfig::default() };
    let (model, plan) = Trainer::<GpuExecutor>::plan(&config, &data, &caps).expect("each tensor fits a binding");
    assert!(4 * model.parameters() > 300_000_000);
    plan.validate(&caps).expect("what is bound fits");
    let mut trainer = Trainer::new(on_device(plan), model, config, &data).expect("the data fit");
    let before = pollster::block_on(trainer.test(40)).expect("it can be tested");
    pollster::block_on(trainer.train(|_| Ok(()))).expect("training ends well");
    let after = pollster::block_on(trainer.test(40)).expect("it can be tested");
    assert!(after.loss() < 0.7 * before.loss(), "{before:?} {after:?}");

    // A single tensor that is larger than a binding is rejected by name before anything is allocated.
    let model = ModelConfig::mlp(&[6_000; 2], &MlpConfig::default());
    let config = TrainConfig { model, ..TrainConfig::default() };
    let (_, plan) = Trainer::<GpuExecutor>::plan(&config, &data, &caps).expect("the settings are valid");
    let error = plan.validate(&caps).expect_err("144 MB are more than 128 MiB");
    let expected = "weights/fc2.weight needs 144000000 bytes in one binding, the device allows 134217728";
    assert!(error.cause() == expected && error.advice().contains("a narrower layer"), "{error}");
}

/// What an adapter can do that binds so many bytes at most.
fn within(max_binding_bytes: u64) -> Caps {
    Caps { max_binding_bytes, ..Caps::unlimited() }
}

fn on_device(plan: Plan) -> GpuExecutor {
    pollster::block_on(GpuExecutor::new(common::gpu(), plan, Checks::Off)).expect("it fits the device")
}

fn on_twins(plan: Plan) -> CpuExecutor<f32> {
    CpuExecutor::new(plan).expect("it is sound")
}
