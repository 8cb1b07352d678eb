//! `shadegrad verify --model`: runs a whole plan in lockstep with its twins.

use super::open::{describe_data, load, loaded, suits};
use super::output::{Output, thousands};
use crate::data::{Preparation, Source};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::train::ModelFile;
use crate::verify::{Parted, Step, Worst, lockstep_model};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Flags of `verify` for a model.
#[derive(Debug, clap::Args)]
pub(super) struct VerifiedModelFlags {
    /// Instead of kernels, run a model.safetensors written by `train --out` through training steps, a scan and an
    /// evaluation batch, and check each dispatch against its twin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "full", "op", "variant", "case", "seed", "html"])]
    model: Option<PathBuf>,
    #[arg(long, default_value = "digits", requires = "model", value_name = Source::values())]
    #[arg(help = format!("The data set to train it on and score it on: {}", Source::help()))]
    data: Source,
    /// Training steps
    #[arg(long, default_value_t = 2, requires = "model", value_name = "N")]
    steps: usize,
    /// Where to save inputs and outputs of the first dispatch that differs
    #[arg(long, default_value = "differs.safetensors", requires = "model", value_name = "FILE")]
    save: PathBuf,
}

impl VerifiedModelFlags {
    /// The model file, if given.
    pub(super) fn file(&self) -> Option<&Path> {
        self.model.as_deref()
    }

    /// Runs the plan of the model in `path` in lockstep.
    pub(super) fn run(&self, path: &Path, gpu: Arc<Gpu>, output: &Output) -> Result<()> {
        let started = Instant::now();
        let file = ModelFile::read(path)?;
        let (data, _) = loaded(load(&self.data, Preparation::default(), output))?;
        suits(path, &file, &data)?;
        output.line(format_args!("model   {}", file.model))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        output
            .line(format_args!("{:10} {:>8}  {:34} {:34} {:>8}", "section", "dispatch", "for", "kernel", "of bound"))?;
        let (mut dispatches, mut worst) = (0usize, Worst::default());
        let watch = |step: Step<'_>| {
            dispatches += 1;
            worst.include(step.worst);
            tell(&step, output)
        };
        let parted = pollster::block_on(lockstep_model(gpu, &file, &data, self.steps, watch))?;
        output.event(&json!({
            "event": "summary",
            "dispatches": dispatches,
            "hard": worst.hard,
            "soft": worst.soft,
            "differs": parted.as_ref().map(describe),
            "seconds": started.elapsed().as_secs_f64(),
        }))?;
        if let Some(parted) = parted {
            parted.save(&self.save)?;
            output.line(format_args!("kept    {}", self.save.display()))?;
            return Err(parted.error());
        }
        let seconds = started.elapsed().as_secs_f64();
        let dispatches = thousands(dispatches as u64);
        let share = worst.hard;
        output.line(format_args!(
            "agreed  {dispatches} dispatches, at most {share:.3} of their bounds; in {seconds:.1} s"
        ))
    }
}

/// A row for each dispatch.
fn tell(step: &Step<'_>, output: &Output) -> Result<()> {
    let Step { section, number, total, label, kernel, worst } = step;
    let place = format!("{number}/{total}");
    output.line(format_args!("{section:10} {place:>8}  {label:34} {kernel:34} {:>8.3}", worst.hard))?;
    output.event(&json!({
        "event": "dispatch",
        "section": section,
        "number": number,
        "label": label,
        "kernel": kernel,
        "hard": worst.hard,
        "soft": worst.soft,
        "ulps": worst.ulps,
    }))
}

fn describe(parted: &Parted) -> serde_json::Value {
    json!({
        "section": parted.section,
        "number": parted.number,
        "kernel": parted.dispatch.kernel.name(),
        "variant": parted.variant.name,
        "message": parted.to_string(),
    })
}
