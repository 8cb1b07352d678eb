//! `shadegrad train`.

use super::data_flags::{DataFlags, TrainingDataFlags};
use super::kernel_flags::KernelFlags;
use super::model_flags::ModelFlags;
use super::open::{Device, describe_data, device_json, load, loaded, open, tell_dropped};
use super::output::{Output, bytes, thousands};
use super::settings::TrainFlags;
use crate::cpu::CpuExecutor;
use crate::data::{Dataset, Dropped, Images, Split};
use crate::error::{Error, Result};
use crate::gpu::{self, GpuExecutor};
use crate::nn::metric::Measured;
use crate::nn::{MlpConfig, Model, ModelConfig, Normalization};
use crate::optim::UpdateConfig;
use crate::plan::Executor;
use crate::train::{ModelFile, StopReason, TrainConfig, TrainOutcome, TrainUpdate, Trainer};
use crate::tuner::{self, Choice};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The flags of `train`.
#[derive(Debug, clap::Args)]
pub(super) struct Train {
    #[command(flatten)]
    data: DataFlags,
    #[command(flatten)]
    training_data: TrainingDataFlags,
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    settings: TrainFlags,
    /// `auto` (a GPU, else the CPU path), `cpu`, or an adapter's number or part of its name from `shadegrad devices`
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: gpu::DeviceChoice,
    /// Folder for the trained weights (model.safetensors) and the kernel variants used (kernels.jsonl), created if
    /// missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show every dispatch of a step with shapes, FLOPs and bytes, and exit without training
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    kernels: KernelFlags,
    /// Print one JSON object per line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl Train {
    pub(super) fn run(&self, started: Instant, output: &mut Output) -> Result<()> {
        let config = self.settings.config(&self.model)?;
        config.validate()?;
        let out = self.out.as_deref().map(prepare_folder).transpose()?;
        // Data and device are opened in parallel.
        let loading = load(&self.data.source, self.data.preparation(Some(&self.training_data)), output);
        let device = open(&self.device);
        let (data, dropped) = loaded(loading)?;
        let device = device?;
        let (model, plan) = Trainer::<GpuExecutor>::plan(&config, &data, &device.caps())?;
        announce(output, &device, &model, &data, &dropped, &config)?;
        if self.explain {
            let caps = match &device {
                Device::Gpu(gpu) => Some(&gpu.caps),
                Device::Native(_) => None,
            };
            let table = plan.explain(caps)?;
            output.event(&json!({ "event": "explain", "text": table }))?;
            return output.line(table.trim_end());
        }
        let run = TrainRun { started, config, model, data, dropped, out: out.as_deref(), device: &device, output };
        match &device {
            Device::Gpu(gpu) => {
                let executor = pollster::block_on(self.kernels.executor(gpu, plan, output))?;
                if let Some(model) = &out {
                    let choices = tuner::in_use(executor.gpu(), executor.plan());
                    Choice::write_all(&choices, &model.with_file_name("kernels.jsonl"))?;
                }
                run.train(executor)
            }
            Device::Native(_) => run.train(CpuExecutor::<f32>::new(plan)?),
        }
    }
}

/// Creates the folder and checks before training that it is writable.
fn prepare_folder(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io("make the folder", folder, &error))?;
    let probe = folder.join("model.partial");
    std::fs::write(&probe, b"").map_err(|error| Error::io("write", &probe, &error))?;
    std::fs::remove_file(&probe).map_err(|error| Error::io("remove", &probe, &error))?;
    let model = folder.join("model.safetensors");
    if model.is_dir() {
        return Err(Error::io("write", &model, &std::io::ErrorKind::IsADirectory.into()));
    }
    Ok(model)
}

fn announce(
    output: &Output,
    device: &Device,
    model: &Model,
    data: &Dataset,
    dropped: &[Dropped],
    config: &TrainConfig,
) -> Result<()> {
    let TrainConfig { update, augment, .. } = config;
    let parameters = model.parameters() as u64;
    output.line(format_args!("device  {device}"))?;
    let size = bytes(4 * parameters);
    output.line(format_args!("model   {model}, {} parameters, {size}", thousands(parameters)))?;
    output.line(format_args!("data    {}", describe_data(data)))?;
    let dropped = tell_dropped(output, dropped)?;
    if !is_classic(model) {
        output.line(format_args!("recipe  {}", model.config()))?;
    }
    if *update != (UpdateConfig { learning_rate: update.learning_rate, ..UpdateConfig::default() }) {
        output.line(format_args!("update  {update}"))?;
    }
    if augment.is_on() {
        output.line(format_args!("augment {augment}"))?;
    }
    let images = Images::of_bytes(data.train())?;
    let (rows, columns) = (images.rows, images.columns);
    output.event(&json!({
        "event": "start",
        "device": device_json(device),
        "recipe": model.config().to_string(),
        "model": { "layers": model.widths(), "parameters": parameters, "bytes": 4 * parameters },
        "data": { "name": data.name(), "train": data.train().len(), "test": data.test().map_or(0, Split::len),
                  "dropped": dropped, "validation": data.validation().map_or(0, Split::len),
                  "rows": rows, "columns": columns },
        "update": update.to_string(),
        "normalize": config.normalize.to_string(),
        "augment": augment.to_string(),
    }))
}

/// Whether a model is the classic perceptron, fully described by its widths.
fn is_classic(model: &Model) -> bool {
    let hidden = &model.widths()[1..model.widths().len() - 1];
    *model.config() == ModelConfig::mlp(hidden, &MlpConfig::default())
}

/// A run with everything but the executor.
struct TrainRun<'a> {
    started: Instant,
    config: TrainConfig,
    model: Model,
    data: Dataset,
    dropped: Vec<Dropped>,
    out: Option<&'a Path>,
    device: &'a Device,
    output: &'a Output,
}

impl TrainRun<'_> {
    fn train<E: Executor>(self, executor: E) -> Result<()> {
        let mut trainer = Trainer::new(executor, self.model.clone(), self.config.clone(), &self.data)?;
        if self.config.normalize == Normalization::Standard {
            let [mean, deviation] = pollster::block_on(trainer.normalization())?;
            self.output.line(format_args!("normalize mean {mean:.4}, std {deviation:.4}"))?;
            self.output.event(&json!({ "event": "normalisation", "mean": mean, "deviation": deviation }))?;
        }
        let template = "{percent:>3} % [{wide_bar}] {msg}  {eta} left";
        let bar = self.output.bar(1, template);
        let outcome = pollster::block_on(trainer.train(|update| show(self.output, &bar, &update, &self.config)));
        bar.finish_and_clear();
        let outcome = outcome?;
        self.tell_ending(&outcome)?;
        let test = match self.data.test() {
            Some(test) => Some(pollster::block_on(trainer.test(test.len()))?),
            None => None,
        };
        if let Some(test) = test {
            self.output.line(format_args!("test    {test}"))?;
        }
        if let Some(path) = self.out {
            ModelFile::write(path, &self.model, &pollster::block_on(trainer.weights())?, &self.dropped)?;
            self.output.line(format_args!("saved   {}", path.display()))?;
        }
        self.summarize(&outcome, test)
    }

    /// Says so where training ended early, or not with the weights of its last step.
    fn tell_ending(&self, outcome: &TrainOutcome) -> Result<()> {
        let Some(kept) = outcome.validation else { return Ok(()) };
        let place = |epoch: usize, step: usize| match self.config.eval_every {
            None => format!("epoch {epoch}"),
            Some(_) => format!("step {}", thousands(step as u64)),
        };
        let last = place(outcome.epochs, outcome.steps);
        if kept.step < outcome.steps {
            let (place, score) = (place(kept.epoch, kept.step), kept.score);
            self.output.line(format_args!("kept    the weights of {place}, validation {score}"))?;
        }
        match outcome.stop_reason {
            StopReason::Epochs | StopReason::Steps => Ok(()),
            StopReason::Target => self.output.line(format_args!("stopped after {last}: target reached")),
            StopReason::Patience => {
                let (count, what) = match self.config.eval_every {
                    None => (outcome.epochs - kept.epoch, "epochs"),
                    Some(_) => (self.config.patience.unwrap_or_default(), "validations"),
                };
                self.output.line(format_args!("stopped after {last}: no improvement for {count} {what}"))
            }
        }
    }

    fn summarize(&self, outcome: &TrainOutcome, test: Option<Measured>) -> Result<()> {
        let rate = outcome.samples_per_second;
        let first_step = (outcome.first_step - self.started).as_secs_f64();
        self.output.line(format_args!(
            "done    {} steps in {:.1} s, {} samples/s, first step after {first_step:.2} s",
            thousands(outcome.steps as u64),
            outcome.seconds,
            thousands(rate as u64),
        ))?;
        let mut event = json!({
            "event": "summary",
            "device": device_json(self.device),
            "epochs": outcome.epochs,
            "ended_by": outcome.stop_reason.to_string(),
            "steps": outcome.steps,
            "seconds": outcome.seconds,
            "samples_per_second": rate,
            "first_step_seconds": first_step,
            "train_loss": outcome.train.loss(),
            "kept_epoch": outcome.validation.map(|validated| validated.epoch),
            "kept_step": outcome.validation.map(|validated| validated.step),
        });
        insert(&mut event, "validation_", outcome.validation.map(|validated| validated.score));
        insert(&mut event, "test_", test);
        event["bytes_up_after_start"] = outcome.bytes_up_after_start.into();
        event["bytes_down_per_step"] = outcome.bytes_down_per_step.into();
        self.output.event(&event)
    }
}

/// Adds each metric to an event, under its name after `prefix`; without a value if there is none.
fn insert(event: &mut Value, prefix: &str, measured: Option<Measured>) {
    for (i, name) in Measured::names().enumerate() {
        event[format!("{prefix}{name}")] = measured.and_then(|measured| Some(measured.iter().nth(i)?.1)).into();
    }
}

fn show(output: &Output, bar: &ProgressBar, update: &TrainUpdate<'_>, config: &TrainConfig) -> Result<()> {
    let rate = update.samples_per_second;
    let validation = update.validation.map_or(String::new(), |validation| format!("  validation {validation}"));
    let line = format!("{}{validation}  {} samples/s", update.score, thousands(rate as u64));
    bar.set_length(update.total_steps as u64);
    bar.set_message(line.clone());
    bar.set_position(update.step as u64);
    let by_steps = config.steps.is_some() || config.eval_every.is_some();
    let ended = update.epoch_ended || (by_steps && update.step == update.total_steps);
    if ended || update.validation.is_some() {
        let (what, done, total) = match by_steps {
            true => ("step", update.step, update.total_steps),
            false => ("epoch", update.epoch, config.epochs),
        };
        let width = total.to_string().len();
        bar.suspend(|| output.line(format_args!("{what} {done:>width$}/{total}  {line}")))?;
    }
    let kind = match update.validation {
        _ if update.epoch_ended => "epoch",
        Some(_) => "validation",
        None => "progress",
    };
    let mut event = json!({
        "event": kind,
        "step": update.step,
        "steps": update.total_steps,
        "epoch": update.epoch,
    });
    insert(&mut event, "", Some(update.score));
    event["samples_per_second"] = rate.into();
    event["seconds"] = update.seconds.into();
    if update.validation.is_some() {
        insert(&mut event, "validation_", update.validation);
    }
    output.event(&event)
}
