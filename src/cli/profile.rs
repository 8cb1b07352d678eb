//! `shadegrad profile`.

use super::kernel_flags::{KernelFlags, found};
use super::model_flags::ModelFlags;
use super::open::{Device, load, loaded, open_to_measure};
use super::output::Output;
use super::settings::StepFlags;
use crate::cpu::CpuExecutor;
use crate::data::{Dataset, Preparation, Source};
use crate::error::{Error, Kind, Result};
use crate::gpu::{DeviceChoice, Gpu, GpuExecutor};
use crate::ops::registry;
use crate::plan::Executor;
use crate::profile::{
    Comparison, Peaks, Profile, Request, Subject, Sweep, SweepJob, kernels, noise, peaks, step, sweep_shaders,
    sweep_twins,
};
use crate::train::{TrainConfig, Trainer};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

/// Default batch sizes for sweeping a kernel.
const BATCHES: [usize; 4] = [32, 128, 512, 2048];
/// Minimum number of noise images.
const NOISE: usize = 1024;

/// The flags of `profile`.
#[derive(Debug, clap::Args)]
pub(super) struct ProfileFlags {
    /// `auto` (a GPU, else the CPU path), `cpu`, or an adapter's number or part of its name from `shadegrad devices`
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: DeviceChoice,
    #[arg(long, default_value = "digits", value_name = ProfiledData::values())]
    #[arg(help = format!("What to train on: `none` (noise), {}", Source::help()))]
    data: ProfiledData,
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    settings: StepFlags,
    /// Steps to time dispatch by dispatch, and as many as a whole [default: about a second of each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: Option<u32>,
    /// Instead of a step, time this kernel in all variants: a name, or a family such as `matmul`; with this shape (for
    /// products m x k x n), or with those of the model
    #[arg(long, value_name = "NAME[:MxNxK]", conflicts_with_all = ["steps", "trace"])]
    kernel: Option<KernelShape>,
    /// Output format
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    format: Format,
    /// Write a trace of host and device to this file, for https://ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write a self-contained HTML page with charts and tables to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Save this profile to a file, for --compare
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Compare with an earlier profile saved with --save
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    kernels: KernelFlags,
}

/// Output format of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
    Md,
}

/// Training data.
#[derive(Clone, Debug)]
enum ProfiledData {
    Noise,
    Set(Source),
}

impl ProfiledData {
    /// All that can be given, in short.
    fn values() -> &'static str {
        static VALUES: LazyLock<String> = LazyLock::new(|| format!("none|{}", Source::values()));
        &VALUES
    }
}

impl FromStr for ProfiledData {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "none" { Ok(Self::Noise) } else { text.parse().map(Self::Set) }
    }
}

/// A kernel or family, and a shape.
#[derive(Clone, Debug)]
struct KernelShape {
    name: String,
    extents: Option<Vec<u32>>,
}

impl FromStr for KernelShape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((name, shape)) = text.split_once(':') else {
            return Ok(Self { name: text.to_owned(), extents: None });
        };
        let extents: Result<Vec<u32>, _> = shape.split('x').map(str::parse).collect();
        let extents = extents.map_err(|_| {
            let advice = "use integers separated by x, such as matmul:128x784x1024";
            Error::new(Kind::Usage, format!("{shape:?} is not a shape"), advice)
        })?;
        Ok(Self { name: name.to_owned(), extents: Some(extents) })
    }
}

impl ProfileFlags {
    /// The output: only a table has text lines besides.
    pub(super) fn output(&self) -> Output {
        if self.format == Format::Table { Output::new(false) } else { Output::document() }
    }

    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let config = self.settings.config(&self.model)?;
        config.validate()?;
        let earlier = self.compare.as_deref().map(|path| Ok((path, Profile::load(path)?))).transpose()?;
        let data = match &self.data {
            ProfiledData::Noise => noise(NOISE.max(config.batch_size)),
            ProfiledData::Set(source) => loaded(load(source, Preparation::default(), output))?.0,
        };
        let device = open_to_measure(&self.device)?;
        let mut profile = match &self.kernel {
            Some(kernel) => self.sweep(kernel, &config, &data, &device)?,
            None => self.step(config, &data, &device, output)?,
        };
        if let Some((path, earlier)) = earlier {
            profile.comparison = Some(Comparison::new(&path.display().to_string(), &earlier, &profile));
        }
        self.write(&profile)?;
        output.text(match self.format {
            Format::Table => profile.table(),
            Format::Json => format!("{:#}\n", profile.json()),
            Format::Csv => profile.csv(),
            Format::Md => profile.markdown(),
        })
    }

    /// Writes the requested files.
    fn write(&self, profile: &Profile) -> Result<()> {
        let write =
            |path: &Path, text: String| std::fs::write(path, text).map_err(|error| Error::io("write", path, &error));
        if let Some(path) = &self.save {
            profile.save(path)?;
        }
        if let Some(path) = &self.trace {
            write(path, profile.trace().to_string())?;
        }
        self.html.as_ref().map_or(Ok(()), |path| write(path, profile.html()))
    }

    /// Profiles a training step.
    fn step(&self, config: TrainConfig, data: &Dataset, device: &Device, output: &Output) -> Result<Profile> {
        let (model, plan) = Trainer::<GpuExecutor>::plan(&config, data, &device.caps())?;
        let request = Request {
            device: device.to_string(),
            title: format!(
                "a training step of {model} ({}), batch {}, {}, on {}",
                model.config(),
                config.batch_size,
                config.update,
                data.name()
            ),
            batch: config.batch_size,
            steps: self.steps.map(|steps| steps as usize),
        };
        let (peaks, notes) = measured_peaks(device)?;
        let mut profile = match device {
            Device::Gpu(gpu) => {
                let executor = pollster::block_on(self.kernels.executor(gpu, plan, output))?;
                pollster::block_on(profiled(Trainer::new(executor, model, config, data)?, request, peaks))
            }
            Device::Native(_) => {
                let executor = CpuExecutor::<f32>::new(plan)?;
                pollster::block_on(profiled(Trainer::new(executor, model, config, data)?, request, peaks))
            }
        }?;
        profile.notes.extend(notes);
        Ok(profile)
    }

    /// Times a kernel in its variants.
    fn sweep(&self, kernel: &KernelShape, config: &TrainConfig, data: &Dataset, device: &Device) -> Result<Profile> {
        let mut jobs = Vec::new();
        let batches =
            if self.settings.0.get("batch-size").is_some() { vec![config.batch_size] } else { BATCHES.to_vec() };
        let mut plans = Vec::new();
        if kernel.extents.is_none() {
            for batch_size in batches {
                let config = TrainConfig { batch_size, ..config.clone() };
                plans.push(Trainer::<GpuExecutor>::plan(&config, data, &device.caps())?.1);
            }
        }
        for found in kernels(&registry(), &kernel.name)? {
            match &kernel.extents {
                Some(extents) => jobs.push(SweepJob::with_extents(found, extents)?),
                None => jobs.extend(SweepJob::of_plans(found, &plans)?),
            }
        }
        let title = format!("kernel {} in {} shapes", kernel.name, jobs.len());
        let sweep = Sweep { device: device.to_string(), title, jobs };
        let (peaks, notes) = measured_peaks(device)?;
        let mut profile = match device {
            Device::Gpu(gpu) => {
                let gpu = with_found(gpu, &sweep.jobs);
                pollster::block_on(sweep_shaders(&gpu, sweep, peaks))
            }
            Device::Native(_) => pollster::block_on(sweep_twins(sweep, peaks)),
        }?;
        profile.notes.extend(notes);
        Ok(profile)
    }
}

/// The device with cached tuning results for these jobs, as in training.
fn with_found(gpu: &Arc<Gpu>, jobs: &[SweepJob]) -> Arc<Gpu> {
    let found = found();
    let taking = |gpu: Arc<Gpu>, SweepJob { kernel, params }: &SweepJob| match found.get(&gpu, *kernel, params) {
        Some(variant) => gpu.preferring(kernel.name(), params, variant),
        None => gpu,
    };
    jobs.iter().fold(gpu.clone(), taking)
}

fn measured_peaks(device: &Device) -> Result<(Peaks, Vec<String>)> {
    match device {
        Device::Gpu(gpu) => pollster::block_on(peaks::measure(gpu)),
        Device::Native(_) => Ok((peaks::native(), Vec::new())),
    }
}

async fn profiled<E: Executor + Subject>(trainer: Trainer<E>, request: Request, peaks: Peaks) -> Result<Profile> {
    step(&mut trainer.into_executor(), request, peaks).await
}
