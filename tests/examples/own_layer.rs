//! A layer of your own, which uses one weight twice, in a model that learns: `cargo run --release --example own_layer`.

#![allow(clippy::print_stdout, reason = "it is a program")]

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::digits;
use shadegrad::error::Result;
use shadegrad::kernel::Caps;
use shadegrad::nn::layer::{Layer, Linear};
use shadegrad::nn::{Init, ModelBuilder, ModelConfig, Signal};
use shadegrad::ops::elementwise::relu::ReluOp;
use shadegrad::ops::matmul::{Operands, product};
use shadegrad::train::{TrainConfig, Trainer};
use std::sync::Arc;

/// relu(x W) Wᵀ: rows squeezed through `width` numbers and back to their size.
#[derive(Debug)]
struct Tied {
    width: usize,
}

impl Layer for Tied {
    fn kind(&self) -> &'static str {
        "tied"
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let inputs = b.width(x)?;
        b.begin("tied");
        let weight = b.parameter("weight", [inputs, self.width], Init::Drawn(b.initializer()))?;
        let hidden = product(b.graph, Operands::NN, x.value, weight)?;
        let hidden = b.graph.apply(ReluOp, &[hidden])?;
        Ok(x.with(product(b.graph, Operands::NT, hidden, weight)?))
    }
}

fn main() -> Result<()> {
    let data = digits(7).first(6_400, 500);
    let layers: [Arc<dyn Layer>; 2] = [Arc::new(Tied { width: 32 }), Arc::new(Linear::new(None))];
    let config = TrainConfig { model: ModelConfig::new(layers), epochs: 3, ..TrainConfig::default() };
    let (model, plan) = Trainer::<CpuExecutor<f32>>::plan(&config, &data, &Caps::unlimited())?;
    for tensor in &model.declared().parameters {
        println!("{} {}", tensor.name, tensor.shape);
    }
    let mut trainer = Trainer::new(CpuExecutor::<f32>::new(plan)?, model, config, &data)?;
    pollster::block_on(async {
        trainer.train(|_| Ok(())).await?;
        println!("test accuracy {:.1} %", 100.0 * trainer.test(500).await?.accuracy());
        Ok(())
    })
}
