//! Predicts by a model file: `cargo run --example predict -- [model.safetensors]`.

#![allow(clippy::print_stdout, reason = "it is a program")]

use shadegrad::cpu::CpuExecutor;
use shadegrad::data::digits;
use shadegrad::error::Result;
use shadegrad::infer::Session;
use shadegrad::kernel::Caps;
use shadegrad::train::ModelFile;
use std::path::Path;

fn main() -> Result<()> {
    let file = match std::env::args().nth(1) {
        Some(path) => ModelFile::read(Path::new(&path))?,
        None => ModelFile::decode(include_bytes!("../golden/model_format_1.safetensors"))?,
    };
    let data = digits(7);
    let images = data.needed_test()?.range(0..8);
    pollster::block_on(async {
        let plan = Session::<CpuExecutor<f32>>::plan(&file.model, &Caps::unlimited())?.plan;
        let mut session = Session::new(CpuExecutor::<f32>::new(plan)?, &file.model, &file.weights).await?;
        let rows = session.normalized(images.inputs()[0].bytes().unwrap_or_default());
        let outputs = session.infer(&[&rows]).await?;
        let probabilities = outputs.probabilities().chunks(outputs.columns());
        for (i, (class, row)) in outputs.classes().into_iter().zip(probabilities).enumerate() {
            let label = images.targets().class(i).unwrap_or_default();
            println!("image {i} is a {label}: {class} predicted, with probability {:.2}", row[class]);
        }
        Ok(())
    })
}
