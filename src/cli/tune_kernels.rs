//! `shadegrad tune-kernels`.

use super::kernel_flags::{found, seconds, told};
use super::model_flags::ModelFlags;
use super::open::{Device, describe_data, device_json, load, loaded, open};
use super::output::Output;
use super::settings::StepFlags;
use crate::data::{Preparation, Source};
use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, DeviceChoice, GpuExecutor, Pipelines};
use crate::train::Trainer;
use crate::tuner::{Timed, Tuned, tune};
use serde_json::json;
use std::time::Instant;

/// The flags of `tune-kernels`.
#[derive(Debug, clap::Args)]
pub(super) struct TuneKernels {
    #[arg(long, default_value = "digits", value_name = Source::values())]
    #[arg(help = format!("The data set, whose items have the model's size: {}", Source::help()))]
    data: Source,
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    settings: StepFlags,
    /// An adapter's number or part of its name from `shadegrad devices`, or `auto` for a GPU
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: DeviceChoice,
    /// Time limit in seconds
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS", allow_negative_numbers = true)]
    budget: f64,
    /// Clear cached timings for all devices, and exit
    #[arg(long)]
    clear: bool,
    /// Print one JSON object per line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl TuneKernels {
    pub(super) fn run(&self, output: &Output) -> Result<()> {
        let mut found = found();
        if self.clear {
            return clear(&found, output);
        }
        let (config, budget) = (self.settings.config(&self.model)?, seconds(self.budget)?);
        config.validate()?;
        let loading = load(&self.data, Preparation::default(), output);
        let Device::Gpu(gpu) = open(&self.device)? else {
            let advice = "use --device with an adapter from `shadegrad devices`; the CPU path has no variants";
            return Err(Error::new(Kind::Device, "no GPU to tune kernels for", advice));
        };
        let (data, _) = loaded(loading)?;
        let device = Device::Gpu(gpu.clone());
        let (model, plan) = Trainer::<GpuExecutor>::plan(&config, &data, &gpu.caps)?;
        plan.validate(&gpu.caps)?;
        output.line(format_args!("device  {device}"))?;
        output.line(format_args!("model   {model}, batches of {}", config.batch_size))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        output.event(
            &json!({ "event": "start", "device": device_json(&device), "recipe": model.config().to_string() }),
        )?;
        let started = Instant::now();
        let mut pipelines = Pipelines::new(Checks::Off);
        let tuned = pollster::block_on(tune(gpu, &plan, &mut pipelines, &mut found, budget))?;
        found.write()?;
        let Tuned { timed, known, left, .. } = tuned;
        timed.iter().try_for_each(|timed| tell(timed, output))?;
        let (count, seconds) = (timed.len(), started.elapsed().as_secs_f64());
        output.line(format_args!(
            "tuned   {count} kernels in {seconds:.1} s; {known} were known before, {left} skipped (out of time)"
        ))?;
        output.event(&json!({ "event": "summary", "tuned": count, "known": known, "left": left, "seconds": seconds }))
    }
}

/// A kernel with its candidates.
fn tell(timed: &Timed, output: &Output) -> Result<()> {
    output.line(format_args!("{} {}", timed.kernel, timed.shape))?;
    for (name, time) in &timed.candidates {
        let (micro, seconds) = (1e6 * time.as_secs_f64(), time.as_secs_f64());
        let rate = timed.flops as f64 / seconds / 1e9;
        let note = match (*name == timed.chosen, *name == timed.usual) {
            (true, true) => "  chosen, the default",
            (true, false) => "  chosen",
            (false, true) => "  usual",
            (false, false) => "",
        };
        output.line(format_args!("    {name:24} {micro:>10.1} us {rate:>9.1} GFLOP/s{note}"))?;
    }
    let mut event = told(timed);
    event["event"] = json!("kernel");
    event["flops"] = json!(timed.flops);
    output.event(&event)
}

/// Removes the cache file.
fn clear(found: &crate::tuner::KnownVariants, output: &Output) -> Result<()> {
    if let Some(path) = found.file().filter(|path| path.exists()) {
        std::fs::remove_file(path).map_err(|error| Error::io("remove", path, &error))?;
    }
    let count = found.len();
    output.line(format_args!("cleared {count} cached kernel variants"))?;
    output.event(&json!({ "event": "cleared", "variants": count }))
}
