//! Trains a perceptron on the embedded digits, on a GPU where there is one, and saves it to `model.safetensors`:
//! `cargo run --release --example train_mlp`.

#![allow(clippy::print_stdout, reason = "it is a program")]

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::error::Result;
use shadegrad::gpu::{DeviceChoice, GpuExecutor};
use shadegrad::nn::{MlpConfig, Model, ModelConfig};
use shadegrad::plan::Executor;
use shadegrad::session::{Device, Options, prepare};
use shadegrad::train::{ModelFile, TrainConfig, TrainUpdate, Trainer};
use std::path::Path;

fn main() -> Result<()> {
    let data = digits(42);
    let model = ModelConfig::mlp(&[64], &MlpConfig::default());
    let config = TrainConfig { model, epochs: 2, ..TrainConfig::default() };
    pollster::block_on(async {
        let device = Device::open(&DeviceChoice::Auto, None).await?;
        println!("training on {device}");
        match &device {
            Device::Gpu(gpu) => {
                let (model, plan) = Trainer::<GpuExecutor>::plan(&config, &data, &gpu.caps)?;
                let executor = prepare(gpu, plan, &Options::suited_to(&gpu.caps), |_| Ok(())).await?;
                train(executor, model, config, &data).await
            }
            Device::Native(_) => {
                let (model, plan) = Trainer::<CpuExecutor<f32>>::plan(&config, &data, &device.caps())?;
                train(CpuExecutor::<f32>::new(plan)?, model, config, &data).await
            }
        }
    })
}

async fn train<E: Executor>(executor: E, model: Model, config: TrainConfig, data: &Dataset) -> Result<()> {
    let mut trainer = Trainer::new(executor, model.clone(), config, data)?;
    let watch = |update: TrainUpdate<'_>| {
        println!("step {}: loss {:.3}", update.step, update.score.loss());
        Ok(())
    };
    trainer.train(watch).await?;
    let score = trainer.test(data.needed_test()?.len()).await?;
    println!("test accuracy {:.1} %", 100.0 * score.accuracy());
    ModelFile::write(Path::new("model.safetensors"), &model, &trainer.weights().await?, &[])
}
