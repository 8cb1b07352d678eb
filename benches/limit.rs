//! The limit of training on the CPU path: samples per second that a step of 784-1024-10 with Adam cannot exceed, given
//! the rate of its widest product and copy bandwidth.
//!
//!     cargo bench --bench limit
//!
//! A step does 3.3 MFLOP per sample in products, since the input needs no gradient, and Adam moves seven floats per
//! parameter. Prints a table and appends it to `benches/record/cpu`; with `--json`, prints one line per batch size
//! instead.

#![allow(clippy::print_stdout, reason = "prints its results")]

#[path = "common/mod.rs"]
mod common;
#[path = "common/kernel.rs"]
mod kernel;

use clap::Parser;
use common::{Device, Spread, report};
use kernel::Ready;
use rayon::prelude::*;
use shadegrad::error::Result;
use shadegrad::gpu::DeviceChoice;
use shadegrad::ops::matmul::{MatmulParams, NN};
use std::time::Instant;

/// Measures the limits of a training step on the CPU.
#[derive(Parser)]
struct Arguments {
    /// Batch sizes
    #[arg(long, value_delimiter = ',', default_value = "32,128,512,2048")]
    batch: Vec<u32>,
    /// Measurements of each figure
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Print one JSON object per batch size, and record nothing
    #[arg(long)]
    json: bool,
    /// Do not append to the record
    #[arg(long)]
    no_record: bool,
    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

const INPUTS: u32 = 784;
const HIDDEN: u32 = 1024;
const CLASSES: u32 = 10;

/// Number of parameters.
const PARAMETERS: usize = (INPUTS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES) as usize;

/// GFLOP per sample in products: two of the first layer, three of the second.
const GIGAFLOPS: f64 = 2e-9 * (2 * INPUTS * HIDDEN + 3 * HIDDEN * CLASSES) as f64;

/// GB that Adam moves per step: reads weight, gradient and two moments, writes all but the gradient.
const ADAM_GIGABYTES: f64 = 7.0 * 4e-9 * PARAMETERS as f64;

/// GFLOP/s of a product over `runs` runs.
fn rate(product: &mut Ready, runs: u64) -> Result<f64> {
    Ok(product.gigaflops() * runs as f64 / product.time(runs)?.as_secs_f64())
}

/// GB/s read and written by copies on all cores.
fn bandwidth(source: &[f32], target: &mut [f32], copies: usize) -> f64 {
    let part = source.len().div_ceil(rayon::current_num_threads());
    let begun = Instant::now();
    for _ in 0..copies {
        let parts = target.par_chunks_mut(part).zip(source.par_chunks(part));
        parts.for_each(|(target, source)| target.copy_from_slice(source));
    }
    2e-9 * (size_of_val(source) * copies) as f64 / begun.elapsed().as_secs_f64()
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    // As large as Adam's four arrays together, to use the same caches.
    let source: Vec<f32> = (0..2 * PARAMETERS).map(|i| i as f32).collect();
    let mut target = vec![0.0; source.len()];
    let mut table = vec![
        "| batch | product, GFLOP/s | copy, GB/s | limit, samples/s |".to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
    ];
    for &batch in &arguments.batch {
        let mut product = Ready::twin(&NN, bytemuck::bytes_of(&MatmulParams { m: batch, k: INPUTS, n: HIDDEN }))?;
        let runs = (0.2 * rate(&mut product, 10)? / product.gigaflops()) as u64 + 1;
        let copies = (0.2 * bandwidth(&source, &mut target, 10) / (4e-9 * 4.0 * PARAMETERS as f64)) as usize + 1;
        let (mut rates, mut bandwidths) = (Spread::default(), Spread::default());
        for _ in 0..arguments.rounds {
            rates.0.push(rate(&mut product, runs)?);
            bandwidths.0.push(bandwidth(&source, &mut target, copies));
        }
        let step = f64::from(batch) * GIGAFLOPS / rates.median() + ADAM_GIGABYTES / bandwidths.median();
        let limit = f64::from(batch) / step;
        if arguments.json {
            let (rate, copy) = (rates.median(), bandwidths.median());
            let line = serde_json::json!({ "batch": batch, "gflops": rate, "copy_gb_s": copy, "samples_s": limit });
            println!("{line}");
        }
        table.push(format!("| {batch} | {rates} | {bandwidths} | {limit:.0} |"));
    }
    if !arguments.json {
        let what = format!("`cargo bench --bench limit`, {} alternating rounds of 0.2 s", arguments.rounds);
        report(&Device::open(&DeviceChoice::Cpu)?, "limit", &what, &table, !arguments.no_record)?;
    }
    Ok(())
}
