//! Trains a perceptron on the embedded digits and predicts with it: `cargo run --release --example train_and_predict`.

#![allow(clippy::print_stdout, reason = "it is a program")]

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::digits;
use shadegrad::error::Result;
use shadegrad::kernel::Caps;
use shadegrad::nn::{MlpConfig, ModelConfig};
use shadegrad::train::{TrainConfig, TrainUpdate, Trainer};

fn main() -> Result<()> {
    pollster::block_on(async {
        let data = digits(7).first(6_400, 500);
        let model = ModelConfig::mlp(&[64], &MlpConfig::default());
        let config = TrainConfig { model, epochs: 3, ..TrainConfig::default() };
        let caps = Caps::unlimited(); // of the CPU path; of a GPU, those of `session::Device`
        let (model, plan) = Trainer::<CpuExecutor<f32>>::plan(&config, &data, &caps)?;
        let mut trainer = Trainer::new(CpuExecutor::<f32>::new(plan)?, model, config, &data)?;
        let watch = |update: TrainUpdate<'_>| {
            println!("step {}: loss {:.3}", update.step, update.score.loss());
            Ok(())
        };
        trainer.train(watch).await?;
        let mut session = trainer.into_session(&caps).await?;
        let test = data.needed_test()?.range(0..5);
        let rows = session.normalized(test.inputs()[0].bytes().unwrap_or_default());
        let outputs = session.infer(&[&rows]).await?;
        let wanted: Vec<_> = (0..test.len()).filter_map(|i| test.targets().class(i)).collect();
        println!("predicted {:?}, expected {wanted:?}", outputs.classes());
        Ok(())
    })
}
