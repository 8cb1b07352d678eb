//! `shadegrad eval`.

use super::data_flags::DataFlags;
use super::kernel_flags::KernelFlags;
use super::open::{Device, describe_data, device_json, load, loaded, open, suits};
use super::output::Output;
use crate::cpu::CpuExecutor;
use crate::data::Split;
use crate::error::Result;
use crate::gpu::DeviceChoice;
use crate::nn::metric::Measured;
use crate::plan::Executor;
use crate::planner::{EvaluationSpec, Set, plan_evaluation};
use crate::train::{EVALUATION_BATCH, ModelFile, evaluate, upload_split, upload_weights};
use serde_json::json;
use std::path::PathBuf;

/// The flags of `eval`.
#[derive(Debug, clap::Args)]
pub(super) struct Eval {
    /// A model.safetensors written by `train --out`
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    #[command(flatten)]
    data: DataFlags,
    /// `auto` (a GPU, else the CPU path), `cpu`, or an adapter's number or part of its name from `shadegrad devices`
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: DeviceChoice,
    #[command(flatten)]
    kernels: KernelFlags,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl Eval {
    pub(super) fn run(&self, output: &mut Output) -> Result<()> {
        let file = ModelFile::read(&self.model)?;
        let loading = load(&self.data.source, self.data.preparation(None), output);
        let device = open(&self.device);
        let (data, _) = loaded(loading)?;
        let device = device?;
        suits(&self.model, &file, &data)?;
        output.line(format_args!("device  {device}"))?;
        output.line(format_args!("model   {}", file.model))?;
        output.line(format_args!("data    {}", describe_data(&data)))?;
        let test = data.needed_test()?;
        let batch = EVALUATION_BATCH.min(test.len());
        let plan = plan_evaluation(&file.model, EvaluationSpec { samples: test.len(), batch })?.plan;
        let score = match &device {
            Device::Gpu(gpu) => {
                let executor = pollster::block_on(self.kernels.executor(gpu, plan, output))?;
                score(executor, &file, test, batch)
            }
            Device::Native(_) => score(CpuExecutor::<f32>::new(plan)?, &file, test, batch),
        }?;
        output.line(format_args!("test    {score}"))?;
        let mut event = json!({
            "event": "evaluation",
            "device": device_json(&device),
            "images": test.len(),
        });
        for (name, value) in score.iter() {
            event[format!("test_{name}")] = value.into();
        }
        output.event(&event)
    }
}

fn score<E: Executor>(mut executor: E, file: &ModelFile, test: &Split, batch: usize) -> Result<Measured> {
    upload_split(&mut executor, Set::Test, test)?;
    upload_weights(&mut executor, &file.model, &file.weights)?;
    pollster::block_on(evaluate(&mut executor, test.len(), batch))
}
