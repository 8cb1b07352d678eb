//! Prepares a device for a plan: opens it, and tunes, tests and compiles kernels. The command does this before
//! training, and so should a program that uses the library.
//!
//! ```no_run
//! use shadegrad::session::{Device, Options, prepare};
//! use shadegrad::{cpu::CpuExecutor, data, gpu, train};
//!
//! # fn main() -> shadegrad::error::Result<()> {
//! # pollster::block_on(async {
//! let caches = data::cache_folder();
//! let device = Device::open(&gpu::DeviceChoice::Auto, caches.as_deref()).await?;
//! let config = train::TrainConfig::default();
//! let data = data::digits(config.seed);
//! match &device {
//!     Device::Gpu(gpu) => {
//!         let (model, plan) = train::Trainer::<gpu::GpuExecutor>::plan(&config, &data, &device.caps())?;
//!         let options = Options { caches, ..Options::suited_to(&gpu.caps) };
//!         let executor = prepare(gpu, plan, &options, |stage| Ok(println!("{stage:?}"))).await?;
//!         let trainer = train::Trainer::new(executor, model, config, &data)?;
//!     }
//!     Device::Native(_) => {
//!         let (model, plan) = train::Trainer::<CpuExecutor<f32>>::plan(&config, &data, &device.caps())?;
//!         let trainer = train::Trainer::new(CpuExecutor::<f32>::new(plan)?, model, config, &data)?;
//!     }
//! }
//! # Ok(())
//! # })
//! # }
//! ```

use crate::error::Result;
use crate::gpu::{self, Adapter, AdapterReport, Checks, Chosen, Compiled, DeviceKind, Gpu, GpuExecutor, Pipelines};
use crate::kernel::Caps;
use crate::plan::Plan;
use crate::tuner::{self, Choice, KnownVariants, Tuned};
use crate::verify::{Passed, SelfTest, self_test};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The device to use.
#[derive(Debug)]
pub enum Device {
    /// An adapter that runs shaders.
    Gpu(Arc<Gpu>),
    /// The CPU path; if chosen for lack of a GPU, with the available adapters.
    Native(Option<Vec<AdapterReport>>),
}

impl Device {
    /// Opens the device that `choice` names. Drivers without a shader cache of their own use the one that [`prepare`]
    /// keeps in the folder `caches`.
    ///
    /// # Errors
    /// If there is no such device, or it cannot be opened.
    pub async fn open(choice: &gpu::DeviceChoice, caches: Option<&Path>) -> Result<Self> {
        Self::open_by(choice, caches, async |adapter: &Adapter| Gpu::open(adapter).await).await
    }

    /// [`Self::open`] with features for measurement, if available.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub async fn open_to_measure(choice: &gpu::DeviceChoice, caches: Option<&Path>) -> Result<Self> {
        Self::open_by(choice, caches, async |adapter: &Adapter| Gpu::open_to_measure(adapter).await).await
    }

    async fn open_by(
        choice: &gpu::DeviceChoice,
        caches: Option<&Path>,
        open: impl AsyncFn(&Adapter) -> Result<Arc<Gpu>>,
    ) -> Result<Self> {
        Ok(match gpu::choose(choice).await? {
            Chosen::Adapter(adapter) => {
                let compiled = caches.map(|folder| Compiled::read(folder, &adapter));
                Self::Gpu(open(&adapter).await?.with_compiled(compiled.unwrap_or_default()))
            }
            Chosen::Native => Self::Native(None),
            Chosen::NoGpu(adapters) => Self::Native(Some(adapters.iter().map(gpu::report).collect())),
        })
    }

    /// Capabilities that plans for it may rely on.
    pub fn caps(&self) -> Caps {
        match self {
            Self::Gpu(gpu) => gpu.caps.clone(),
            Self::Native(_) => Caps::unlimited(),
        }
    }

    /// Where the computation runs.
    pub fn backing(&self) -> DeviceKind {
        match self {
            Self::Gpu(gpu) => DeviceKind::from(gpu.info.device_type),
            Self::Native(_) => DeviceKind::Native,
        }
    }
}

/// One line: name, API, driver and kind; for the CPU path its threads, and why it was chosen.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpu(gpu) => {
                let info = &gpu.info;
                let driver = if info.driver_info.is_empty() { &info.driver } else { &info.driver_info };
                write!(f, "{}, {} {driver}, {}", info.name, info.backend, self.backing())
            }
            Self::Native(instead) => {
                write!(f, "cpu, {} threads", rayon::current_num_threads())?;
                match instead.as_deref().map(software_driver) {
                    None => Ok(()),
                    Some(None) => f.write_str("; no GPU found"),
                    Some(Some(name)) => {
                        write!(f, "; no GPU found; use --device {name} to run shaders on a software driver")
                    }
                }
            }
        }
    }
}

/// A value for [`gpu::Choice::Name`] that selects a software driver among these adapters, if any.
fn software_driver(adapters: &[AdapterReport]) -> Option<String> {
    let driver = adapters.iter().find(|report| report.backing == DeviceKind::Cpu)?;
    driver.name.split([' ', '(']).next().map(str::to_lowercase)
}

/// How kernel variants are chosen. The choice only changes summation order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// The default of each kernel.
    Off,
    /// Cached choices; the candidates of other kernels are timed for about this long.
    Budget(Duration),
    /// These, recorded by [`tuner::in_use`] in another run.
    Replay(Vec<Choice>),
}

/// How to prepare a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How variants are chosen.
    pub tuning: Tuning,
    /// Whether to test each kernel on the device with the plan's own parameters, and replace failing ones.
    pub self_test: bool,
    /// Folder for cached timings, passed tests, and compiled shaders. Without one, everything is redone each time.
    pub caches: Option<PathBuf>,
}

impl Options {
    /// A second of tuning on a GPU and none on a software driver, where compiling a candidate takes seconds; a
    /// self-test; no caches.
    pub fn suited_to(caps: &Caps) -> Self {
        let budget = Duration::from_secs(if caps.cpu { 0 } else { 1 });
        Self { tuning: Tuning::Budget(budget), self_test: true, caches: None }
    }
}

/// A finished stage of preparation.
#[derive(Debug)]
pub enum Stage<'a> {
    /// Variants were timed, or their choice was cached.
    Tuned(&'a Tuned, Duration),
    /// Kernels were tested, or had passed before.
    Tested(&'a SelfTest, Duration),
    /// The variants the plan will use, for kernels with several. The rest is compiled next.
    Chosen(&'a [Choice]),
}

/// The timings cached in this folder; none without one.
pub fn found(caches: Option<&Path>) -> KnownVariants {
    caches.map_or_else(KnownVariants::default, |folder| KnownVariants::read(folder.join("variants.jsonl")))
}

/// An executor of a plan, in the variants selected by `options`, each tested on the device if it has not been before;
/// calls `watch` after each stage.
///
/// # Errors
/// If the plan is not valid on the device, no variant of a kernel passes its test, a choice to replay does not match
/// the plan, the device fails, or `watch` does. Failures to write caches are ignored.
pub async fn prepare(
    gpu: &Arc<Gpu>,
    plan: Plan,
    options: &Options,
    mut watch: impl FnMut(Stage<'_>) -> Result<()>,
) -> Result<GpuExecutor> {
    let caches = options.caches.as_deref();
    let mut pipelines = Pipelines::new(Checks::Off);
    let mut gpu = match &options.tuning {
        Tuning::Off => gpu.clone(),
        Tuning::Replay(choices) => tuner::replay(gpu, &plan, choices)?,
        Tuning::Budget(budget) => {
            plan.validate(&gpu.caps)?;
            let (mut found, started) = (found(caches), Instant::now());
            let tuned = tuner::tune(gpu.clone(), &plan, &mut pipelines, &mut found, *budget).await?;
            let _ = found.write();
            watch(Stage::Tuned(&tuned, started.elapsed()))?;
            tuned.gpu
        }
    };
    if options.self_test {
        let started = Instant::now();
        let mut passed = caches.map_or_else(Passed::default, |folder| Passed::read(folder.join("self-test")));
        let tested = self_test(gpu, &plan, &mut pipelines, &mut passed).await?;
        let _ = passed.write();
        watch(Stage::Tested(&tested, started.elapsed()))?;
        gpu = tested.gpu;
    }
    watch(Stage::Chosen(&tuner::in_use(&gpu, &plan)))?;
    let executor = GpuExecutor::with_pipelines(gpu, plan, pipelines).await?;
    let _ = executor.gpu().keep_compiled();
    Ok(executor)
}
