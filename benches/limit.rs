//! What bounds training on the CPU path: the rate of its widest product and the bandwidth of a copy, and from both the
//! samples a second that a step of 784-1024-10 with Adam does not exceed.
//!
//!     cargo bench --bench limit
//!
//! A step does 3.3 MFLOP a sample in products, for the input needs no gradient, and Adam moves seven numbers a parameter.
//! Prints a table and appends it to `benches/record/cpu`; with `--json` one line a batch instead.

#![allow(clippy::print_stdout, reason = "its lines are for whoever runs it")]

#[path = "common/mod.rs"]
mod common;
#[path = "common/kernel.rs"]
mod kernel;

use clap::Parser;
use common::{Device, Spread, report};
use kernel::Ready;
use rayon::prelude::*;
use shadegrad::error::Result;
use shadegrad::gpu::Choice;
use shadegrad::ops::matmul::{MatmulParams, NN};
use std::time::Instant;

/// Measures the limits of a training step on the CPU.
#[derive(Parser)]
struct Arguments {
    /// Rows of a batch
    #[arg(long, value_delimiter = ',', default_value = "32,128,512,2048")]
    batch: Vec<u32>,
    /// Turns of each figure
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Print one JSON object a batch, and record nothing
    #[arg(long)]
    json: bool,
    /// Append nothing to the record
    #[arg(long)]
    no_record: bool,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

const INPUTS: u32 = 784;
const HIDDEN: u32 = 1024;
const CLASSES: u32 = 10;

/// Numbers that the model learns.
const PARAMETERS: usize = (INPUTS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES) as usize;

/// Billions of operations a sample in products: two of the first layer, three of the second.
const GIGAFLOPS: f64 = 2e-9 * (2 * INPUTS * HIDDEN + 3 * HIDDEN * CLASSES) as f64;

/// Billions of bytes that Adam moves in a step: weight, gradient and two moments are read, all but the gradient written.
const ADAM_GIGABYTES: f64 = 7.0 * 4e-9 * PARAMETERS as f64;

/// GFLOP/s of a product in so many runs.
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
    // Together as large as the four arrays of Adam, so that they lie in the same caches.
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
        let what = format!("`cargo bench --bench limit`, {} rounds in turns, 0.2 s a turn", arguments.rounds);
        report(&Device::open(&Choice::Cpu)?, "limit", &what, &table, !arguments.no_record)?;
    }
    Ok(())
}
