//! A run whose device fails ends with an error that says what happened where, exit code 5, no panic and no hang, and
//! previously saved files intact.

mod common;
mod known_faults;

use shadegrad::data::{Dataset, Provenance, Split, Task};
use shadegrad::error::{Error, Kind, Result};
use shadegrad::gpu::{Checks, Drill, Gpu, GpuExecutor, Mishap, Moment, Pipeline, Run, Stopwatch};
use shadegrad::kernel::{AnyKernel, Caps};
use shadegrad::nn::{MlpConfig, ModelConfig};
use shadegrad::ops::matmul::{MatmulParams, NN};
use shadegrad::train::{ModelFile, TrainConfig, Trainer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Images of 4 x 4 pixels.
fn data() -> Dataset {
    let split = |count: usize| {
        let images = (0..16 * count).map(|i| (i * 37 % 251) as u8).collect();
        Split::of_images([4, 4], images, (0..count).map(|i| (i % 10) as u8).collect()).expect("an image per label")
    };
    let source = Provenance { format: "generated", place: "drill".to_owned() };
    let data = Dataset::new("drill", Task::classify(10), split(96), source);
    data.and_then(|data| data.with_test(split(20))).expect("the parts go together")
}

/// Everything `train --out` does on a device: prepares, trains, evaluates, reads the weights and saves them to `path`.
fn whole_run(adapter: &wgpu::Adapter, drill: Drill, config: &TrainConfig, path: &Path) -> Result<()> {
    pollster::block_on(async {
        let data = data();
        let gpu = Gpu::open_for_drill(adapter, drill).await?;
        let (model, plan) = Trainer::<GpuExecutor>::plan(config, &data, &Caps::unlimited())?;
        let executor = GpuExecutor::new(gpu, plan, Checks::Off).await?;
        let mut trainer = Trainer::new(executor, model.clone(), config.clone(), &data)?;
        trainer.train(|_| Ok(())).await?;
        trainer.test(data.test().map_or(0, Split::len)).await?;
        ModelFile::write(path, &model, &trainer.weights().await?, &[])
    })
}

/// Two steps, so that the submission size does not depend on timing.
fn config() -> TrainConfig {
    TrainConfig {
        model: ModelConfig::mlp(&[8], &MlpConfig::default()),
        batch_size: 48,
        epochs: 1,
        ..TrainConfig::default()
    }
}

/// A drill that injects `mishap` at the `at`-th moment of a kind and all later ones; and the count of such moments.
fn mishap_at(at: usize, kind: fn(Moment<'_>) -> bool, mishap: fn() -> Mishap) -> (Drill, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let met = count.clone();
    let drill = Drill::new(move |moment| (kind(moment) && met.fetch_add(1, Ordering::Relaxed) >= at).then(mishap));
    (drill, count)
}

/// A folder with a saved model, and the file's contents.
fn saved_before(adapter: &wgpu::Adapter) -> (TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    whole_run(adapter, Drill::default(), &config(), &path).expect("without a fault it runs");
    let saved = std::fs::read(&path).expect("it was saved");
    (folder, path, saved)
}

/// Checks that a run ended as it must after a device failure, and left the saved model alone.
#[track_caller]
fn ended_well(error: &Error, adapter: &wgpu::Adapter, words: &str, path: &Path, saved: &[u8]) {
    assert_eq!((error.kind(), error.exit_code()), (Kind::Device, 5), "{error}");
    let start = format!("{}, ", adapter.get_info().name);
    assert!(error.cause().starts_with(&start) && error.cause().contains(words), "{error}");
    assert!(!error.advice().is_empty() && !error.cause().contains('\n') && !error.advice().contains('\n'), "{error:?}");
    assert_eq!(std::fs::read(path).expect("it is still there"), saved, "{error}: the saved model was changed");
    let files = std::fs::read_dir(path.parent().expect("a folder")).expect("readable").count();
    assert_eq!(files, 1, "{error}: something else was left behind");
}

/// Injects `mishap` at every `stride`th moment of a kind, one run each, until a run has fewer moments and succeeds.
/// Returns the causes of the errors.
fn drill_all(kind: fn(Moment<'_>) -> bool, mishap: fn() -> Mishap, words: &str, stride: usize) -> Vec<String> {
    let adapter = common::adapter();
    let (_folder, path, saved) = saved_before(&adapter);
    let mut causes = Vec::new();
    loop {
        let at = stride * causes.len();
        let (drill, count) = mishap_at(at, kind, mishap);
        match whole_run(&adapter, drill, &config(), &path) {
            Err(error) => {
                ended_well(&error, &adapter, words, &path, &saved);
                causes.push(error.cause().to_owned());
            }
            Ok(()) => {
                assert!(count.load(Ordering::Relaxed) <= at, "mishap {at} was ignored");
                return causes;
            }
        }
    }
}

/// Checks that each of these operations is named in some cause.
#[track_caller]
fn tell(causes: &[String], doings: &[&str]) {
    for doing in doings {
        assert!(causes.iter().any(|cause| cause.contains(doing)), "none names {doing}: {causes:#?}");
    }
}

#[test]
fn a_device_lost_at_any_moment_ends_the_run() {
    let allocates = |moment: Moment<'_>| matches!(moment, Moment::Allocate(_));
    let causes = drill_all(allocates, || Mishap::Lost, "the device was lost", 4);
    tell(&causes, &["uploading parameters", "reading `train/metrics`"]);
    let works = |moment: Moment<'_>| matches!(moment, Moment::Submit | Moment::Wait);
    let causes = drill_all(works, || Mishap::Lost, "the device was lost", 2);
    tell(&causes, &["preparing a plan", "reading `train/metrics`", "reading `test/metrics`", "reading `weights/"]);
}

#[test]
fn memory_that_runs_out_at_any_moment_ends_the_run() {
    let allocates = |moment: Moment<'_>| matches!(moment, Moment::Allocate(_));
    let causes = drill_all(allocates, || Mishap::OutOfMemory, "out of memory", 3);
    tell(&causes, &["allocating buffers", "reading `train/metrics`", "reading `weights/", "\"staging\""]);
}

#[test]
fn a_device_that_does_not_answer_in_time_ends_the_run() {
    let waits = |moment: Moment<'_>| moment == Moment::Wait;
    let causes = drill_all(waits, || Mishap::Silence, "no answer within 120s", 1);
    tell(&causes, &["preparing a plan", "reading `train/metrics`", "reading `test/metrics`", "reading `weights/"]);
}

#[test]
fn a_wait_in_which_wgpu_panics_ends_the_run() {
    let waits = |moment: Moment<'_>| moment == Moment::Wait;
    let causes =
        drill_all(waits, || panic!("a drill: the driver lost its device while waiting"), "the device was lost", 2);
    tell(&causes, &["preparing a plan", "reading `train/metrics`"]);
}

/// The adapter to test on, from an instance that treats these shares of its memory budget as used.
fn adapter_short_of_memory(thresholds: wgpu::MemoryBudgetThresholds) -> wgpu::Adapter {
    let info = common::adapter().get_info();
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.memory_budget_thresholds = thresholds;
    let adapters = wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all());
    let adapters = pollster::block_on(adapters);
    adapters.into_iter().find(|adapter| adapter.get_info() == info).expect("the adapter is still there")
}

/// Without a drill: wgpu itself detects low memory from the driver's report.
#[test]
fn a_driver_without_memory_ends_the_run() {
    let (gpu, usual) = (common::gpu(), common::adapter());
    let (_folder, path, saved) = saved_before(&usual);
    let short = |for_resource_creation, for_device_loss| {
        adapter_short_of_memory(wgpu::MemoryBudgetThresholds { for_resource_creation, for_device_loss })
    };
    for (what, adapter, words) in [
        ("memory budget of resources", short(Some(0), None), "opening the device: "),
        ("memory budget of the device", short(None, Some(0)), "the device was lost"),
    ] {
        let verdict = match whole_run(&adapter, Drill::default(), &config(), &path) {
            Ok(()) => Err(format!("{what}: nothing failed")),
            Err(error) => {
                ended_well(&error, &usual, words, &path, &saved);
                Ok(())
            }
        };
        known_faults::judge(&gpu, what, verdict).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

/// Time the adapter takes for a product, `times` times.
fn timed(drill: Drill, repeats: u32) -> Result<Duration> {
    let params = bytemuck::bytes_of(&MatmulParams { m: 128, k: 128, n: 128 }).to_vec();
    let arrays = vec![vec![0; 128 * 128]; 3];
    pollster::block_on(async {
        let gpu = Gpu::open_for_drill(&common::adapter(), drill).await?;
        let variant = AnyKernel::choose(&NN, &params, &gpu.caps);
        let pipeline = Arc::new(Pipeline::new(&gpu, &NN, &variant, Checks::Off).await?);
        let run = Run { params: &params, groups: AnyKernel::groups(&NN, &params, &variant), arrays: &arrays };
        Stopwatch::new(&gpu, pipeline, &run).await?.time(repeats)
    })
}

#[test]
fn a_kernel_is_timed_until_its_last_run_ends_or_the_fault_is_told() {
    let least = |repeats| (0..3).map(|_| timed(Drill::default(), repeats).expect("no fault")).min();
    let (once, often) = (least(1).expect("three"), least(500).expect("three"));
    assert!(often > 5 * once, "one run took {once:?}, five hundred {often:?}");
    let (drill, _) = mishap_at(1, |moment| moment == Moment::Wait, || Mishap::Lost);
    let error = timed(drill, 1).expect_err("it was lost").to_string();
    assert!(error.contains("the device was lost") && error.contains("timing a kernel"), "{error}");
}
