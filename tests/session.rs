//! Preparing a device for a plan: results are cached, and options are respected.

mod common;

use shadegrad::data::digits;
use shadegrad::error::{Error, Kind};
use shadegrad::gpu::{self, GpuExecutor};
use shadegrad::kernel::Caps;
use shadegrad::nn::{MlpConfig, ModelConfig};
use shadegrad::plan::Plan;
use shadegrad::session::{Device, Options, Stage, Tuning, prepare};
use shadegrad::train::{TrainConfig, Trainer};
use shadegrad::tuner::{Choice, in_use};
use std::time::Duration;

fn plan() -> Plan {
    let config = TrainConfig { model: ModelConfig::mlp(&[16], &MlpConfig::default()), ..TrainConfig::default() };
    Trainer::<GpuExecutor>::plan(&config, &digits(7), &Caps::unlimited()).expect("the settings are valid").1
}

/// The effect of `options`: kernels timed, kernels tested, variants chosen.
fn stages(options: &Options) -> (Option<usize>, Option<usize>, Vec<Choice>) {
    let (mut timed, mut tests, mut chosen) = (None, None, Vec::new());
    let watch = |stage: Stage<'_>| {
        match stage {
            Stage::Tuned(tuned, _) => timed = Some(tuned.timed.len()),
            Stage::Tested(tested, _) => tests = Some(tested.tests),
            Stage::Chosen(choices) => chosen = choices.to_vec(),
        }
        Ok(())
    };
    let executor = pollster::block_on(prepare(&common::gpu(), plan(), options, watch)).expect("the device works");
    assert_eq!(in_use(executor.gpu(), executor.plan()), chosen);
    (timed, tests, chosen)
}

#[test]
fn what_was_timed_and_tested_once_is_known_the_next_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let caches = Some(folder.path().join("caches"));
    let tuning = Tuning::Budget(Duration::from_secs(60));
    let options = Options { tuning, caches, ..Options::suited_to(&common::gpu().caps) };
    let (timed, tests, chosen) = stages(&options);
    assert!(timed > Some(3) && tests > Some(12), "{timed:?} timed, {tests:?} tested");
    assert_eq!(stages(&options), (Some(0), Some(0), chosen.clone()));

    // Without caches nothing is known; recorded choices can be requested.
    let replay = Options { tuning: Tuning::Replay(chosen.clone()), self_test: false, caches: None };
    assert_eq!(stages(&replay), (None, None, chosen));
    let off = Options { tuning: Tuning::Off, ..replay };
    let (timed, tests, defaults) = stages(&off);
    assert_eq!((timed, tests), (None, None));
    assert_eq!(defaults, in_use(&common::gpu(), &plan()));
}

#[test]
fn what_the_device_lacks_and_what_the_watcher_refuses_is_an_error() {
    let mut other = in_use(&common::gpu(), &plan());
    other[0].variant = "no such variant".to_owned();
    let options = Options { tuning: Tuning::Replay(other), self_test: false, caches: None };
    let refused = pollster::block_on(prepare(&common::gpu(), plan(), &options, |_| Ok(())));
    assert!(refused.is_err_and(|error| error.to_string().contains("no such variant")));

    let stopped = |stage: Stage<'_>| match stage {
        Stage::Tested(..) => Err(Error::new(Kind::Usage, "stopped", "go on")),
        _ => Ok(()),
    };
    let options = Options { tuning: Tuning::Off, self_test: true, caches: None };
    let refused = pollster::block_on(prepare(&common::gpu(), plan(), &options, stopped));
    assert!(refused.is_err_and(|error| error.cause() == "stopped"));
}

#[test]
fn a_device_is_opened_by_choice() {
    let name = common::gpu().info.name.clone();
    let device = pollster::block_on(Device::open(&gpu::DeviceChoice::Name(name.clone()), None)).expect("it is there");
    assert!(matches!(&device, Device::Gpu(gpu) if gpu.info.name == name) && device.to_string().contains(&name));
    let native = pollster::block_on(Device::open(&gpu::DeviceChoice::Cpu, None)).expect("it is there always");
    assert!(matches!(native, Device::Native(None)) && native.to_string().starts_with("cpu, "));
}
