//! A device made ready for a plan: opened, its kernels tuned, tested and compiled. The command does this before it
//! trains, and so should a program that trains by itself.
//!
//! ```no_run
//! use shadegrad::session::{Device, Options, prepare};
//! use shadegrad::{cpu::CpuExecutor, data, gpu, train};
//!
//! # fn main() -> shadegrad::error::Result<()> {
//! # pollster::block_on(async {
//! let caches = data::cache_folder();
//! let device = Device::open(&gpu::Choice::Auto, caches.as_deref()).await?;
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
use crate::gpu::{self, Adapter, AdapterReport, Backing, Checks, Chosen, Compiled, Gpu, GpuExecutor, Pipelines};
use crate::kernel::Caps;
use crate::plan::Plan;
use crate::tuner::{self, Choice, Found, Tuned};
use crate::verify::{Passed, SelfTest, self_test};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The device to work on.
#[derive(Debug)]
pub enum Device {
    /// An adapter that runs the shaders.
    Gpu(Arc<Gpu>),
    /// The CPU path; where it was taken because there is no GPU, with the adapters that there are instead.
    Native(Option<Vec<AdapterReport>>),
}

impl Device {
    /// Opens the device that `choice` names. A driver that keeps no compiled shaders itself is given those that
    /// [`prepare`] kept in the folder `caches`.
    ///
    /// # Errors
    /// Where there is no such device, or it cannot be opened.
    pub async fn open(choice: &gpu::Choice, caches: Option<&Path>) -> Result<Self> {
        Self::open_by(choice, caches, async |adapter: &Adapter| Gpu::open(adapter).await).await
    }

    /// [`Self::open`] with what helps to measure the device, as far as it has that.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_to_measure(choice: &gpu::Choice, caches: Option<&Path>) -> Result<Self> {
        Self::open_by(choice, caches, async |adapter: &Adapter| Gpu::open_to_measure(adapter).await).await
    }

    async fn open_by(
        choice: &gpu::Choice,
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

    /// What plans for it may count on.
    pub fn caps(&self) -> Caps {
        match self {
            Self::Gpu(gpu) => gpu.caps.clone(),
            Self::Native(_) => Caps::unlimited(),
        }
    }

    /// Where its arithmetic is done.
    pub fn backing(&self) -> Backing {
        match self {
            Self::Gpu(gpu) => Backing::from(gpu.info.device_type),
            Self::Native(_) => Backing::Native,
        }
    }
}

/// One line: name, interface, driver and kind; for the CPU path its threads, and why it was taken.
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
                    Some(None) => f.write_str("; no GPU was found"),
                    Some(Some(name)) => {
                        write!(f, "; no GPU was found, the shaders run on a software driver with --device {name}")
                    }
                }
            }
        }
    }
}

/// A name for [`gpu::Choice::Name`] of a driver that runs shaders on the CPU, where there is one among these.
fn software_driver(adapters: &[AdapterReport]) -> Option<String> {
    let driver = adapters.iter().find(|report| report.backing == Backing::Cpu)?;
    driver.name.split([' ', '(']).next().map(str::to_lowercase)
}

/// How the variants are chosen in which a plan's kernels run. The choice changes results only by the order of sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tuning {
    /// The default of each kernel.
    Off,
    /// What is known to be fastest; for what is not known, the candidates are timed for about this long.
    Budget(Duration),
    /// These, as [`tuner::in_use`] gave them for another run.
    Replay(Vec<Choice>),
}

/// How a device is made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How variants are chosen.
    pub tuning: Tuning,
    /// Whether each kernel is tested on the device at the plan's own parameters, and replaced where it computes wrongly.
    pub self_test: bool,
    /// Folder of what is kept from run to run: timings, passed tests, and compiled shaders. Without one, all are done
    /// again each time.
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

/// What has been done on the way.
#[derive(Debug)]
pub enum Stage<'a> {
    /// Variants were timed, or known.
    Tuned(&'a Tuned, Duration),
    /// Kernels were tested, or had passed before.
    Tested(&'a SelfTest, Duration),
    /// The plan will run in these variants, where there are several. Now the rest is compiled.
    Chosen(&'a [Choice]),
}

/// The timings that are kept in this folder; none without one.
pub fn found(caches: Option<&Path>) -> Found {
    caches.map_or_else(Found::default, |folder| Found::read(folder.join("variants.jsonl")))
}

/// An executor of a plan, in variants as `options` say, each tested on the device if it has not been before; tells
/// `watch` after each stage.
///
/// # Errors
/// Where the plan is not valid on the device, no variant of a kernel passes its test, a choice to replay is not one of
/// the plan's, the device fails, or `watch` does. What cannot be written to the caches is done again the next time.
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
