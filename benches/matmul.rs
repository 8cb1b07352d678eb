//! Products, alternating in one process: every family and tile compared with the same product on the CPU's cores.
//!
//!     cargo bench --bench matmul -- --device llvmpipe --rounds 9
//!
//! - 128x784x1024 in each family, relative to the CPU path's product (faer, with the kernels of the gemm crate);
//! - the transposed layouts, relative to the plain one;
//! - the skinny 128x1024x10, relative to the tiled family's best.
//!
//! Prints tables, and appends them to `benches/record`. With `--shape 4096x4096x4096`, only that product in each
//! family.

#[path = "common/mod.rs"]
mod common;
#[path = "common/kernel.rs"]
mod kernel;

use clap::Parser;
use common::{Device, Spread, report};
use kernel::Ready;
use shadegrad::error::{Error, Kind, Result};
use shadegrad::gpu::{DeviceChoice, Gpu};
use shadegrad::kernel::{AnyKernel, Variant};
use shadegrad::ops::matmul::{MatmulParams, NN, NT, TN};
use std::str::FromStr;
use std::sync::Arc;

/// Compares products.
#[derive(Parser)]
struct Arguments {
    /// An adapter's number or part of its name
    #[arg(long, default_value = "0")]
    device: DeviceChoice,
    /// Rounds
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Seconds per product and round
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// A single product, such as 4096x4096x4096, instead of the three comparisons
    #[arg(long)]
    shape: Option<Shape>,
    /// Do not append to the record
    #[arg(long)]
    no_record: bool,
    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// m, k and n.
#[derive(Clone, Copy)]
struct Shape([u32; 3]);

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let extents = text.split('x').map(str::parse).collect::<std::result::Result<Vec<u32>, _>>().unwrap_or_default();
        match extents[..] {
            [m, k, n] if ![m, k, n].contains(&0) => Ok(Self([m, k, n])),
            _ => {
                Err(Error::new(Kind::Usage, format!("`{text}` is not a shape"), "use m x k x n, such as 128x784x1024"))
            }
        }
    }
}

/// A product measured in alternation with others.
struct Contestant {
    name: String,
    ready: Ready,
    runs: u64,
    /// GFLOP/s per round.
    rates: Spread,
}

impl Contestant {
    fn new(name: String, ready: Ready) -> Self {
        Self { name, ready, runs: 1, rates: Spread::default() }
    }

    /// Warms up, and finds the number of runs per round.
    fn warm_up(&mut self, seconds: f64) -> Result<()> {
        loop {
            let taken = self.ready.time(self.runs)?.as_secs_f64();
            if taken > seconds / 8.0 || self.runs >= 1 << 20 {
                self.runs = ((seconds / taken * self.runs as f64) as u64).max(1);
                return Ok(());
            }
            self.runs *= 4;
        }
    }

    fn turn(&mut self) -> Result<()> {
        let seconds = self.ready.time(self.runs)?.as_secs_f64();
        self.rates.0.push(self.ready.gigaflops() * self.runs as f64 / seconds);
        Ok(())
    }
}

/// The variants for these parameters with the vector loads training uses.
fn variants(gpu: &Gpu, kernel: &'static dyn AnyKernel, params: &[u8]) -> Vec<Variant> {
    let suffix = |name: &str| name.rsplit('-').next().unwrap_or_default().to_owned();
    let vectors = suffix(&kernel.choose(params, &gpu.caps).name);
    let mut variants = kernel.variants(&gpu.caps);
    variants.retain(|variant| kernel.accepts(params, variant) && suffix(&variant.name) == vectors);
    variants
}

/// A product in every family; the one training uses is marked.
fn families(gpu: &Arc<Gpu>, kernel: &'static dyn AnyKernel, [m, k, n]: [u32; 3]) -> Result<Vec<Contestant>> {
    let params = bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec();
    let chosen = kernel.choose(&params, &gpu.caps).name;
    let contestant = |variant: Variant| {
        let mark = if variant.name == chosen { ", used by training" } else { "" };
        let name = format!("{} {m}x{k}x{n}, {variant}{mark}", kernel.name());
        Ok(Contestant::new(name, Ready::shader(gpu, kernel, &variant, &params)?))
    };
    variants(gpu, kernel, &params).into_iter().map(contestant).collect()
}

/// A product in the variant training uses.
fn chosen(gpu: &Arc<Gpu>, kernel: &'static dyn AnyKernel, [m, k, n]: [u32; 3]) -> Result<Contestant> {
    let params = bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec();
    let variant = kernel.choose(&params, &gpu.caps);
    let name = format!("{} {m}x{k}x{n}, {variant}", kernel.name());
    Ok(Contestant::new(name, Ready::shader(gpu, kernel, &variant, &params)?))
}

/// The plain product on the CPU path.
fn on_cpu([m, k, n]: [u32; 3]) -> Result<Contestant> {
    let params = bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec();
    Ok(Contestant::new(format!("CPU path {m}x{k}x{n}"), Ready::twin(&NN, &params)?))
}

/// Alternates between contestants, and tabulates each rate relative to contestant `reference`: the median of per-round
/// ratios, since disturbances affect neighbors alike.
fn compare(
    arguments: &Arguments,
    mut contestants: Vec<Contestant>,
    of: &str,
    reference: impl Fn(&[Contestant]) -> usize,
) -> Result<Vec<String>> {
    contestants.iter_mut().try_for_each(|contestant| contestant.warm_up(arguments.seconds))?;
    for _ in 0..arguments.rounds {
        contestants.iter_mut().try_for_each(Contestant::turn)?;
    }
    let reference = contestants.get(reference(&contestants)).map_or_else(Vec::new, |c| c.rates.0.clone());
    let mut table =
        vec![format!("| product | GFLOP/s, median (least to most) | % of {of} |"), "| --- | --- | --- |".to_owned()];
    table.extend(contestants.iter().map(|Contestant { name, rates, .. }| {
        let shares = Spread(rates.0.iter().zip(&reference).map(|(rate, reference)| 100.0 * rate / reference).collect());
        format!("| {name} | {rates} | {shares} |")
    }));
    table.push(String::new());
    Ok(table)
}

fn first(_: &[Contestant]) -> usize {
    0
}

fn best_tiled(contestants: &[Contestant]) -> usize {
    let tiled = contestants.iter().enumerate().filter(|(_, contestant)| contestant.name.contains("tiled"));
    let rates = tiled.map(|(place, contestant)| (place, contestant.rates.median()));
    rates.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(place, _)| place)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let device = Device::open(&arguments.device)?;
    let Device::Gpu(gpu) = &device else { return Err("the CPU path has only one product; use an adapter".into()) };
    let mut tables = Vec::new();
    if let Some(Shape(shape)) = arguments.shape {
        tables.extend(compare(&arguments, families(gpu, &NN, shape)?, "the first", first)?);
    } else {
        let (wide, skinny) = ([128, 784, 1024], [128, 1024, 10]);
        let beside_cpu = [on_cpu(wide)?].into_iter().chain(families(gpu, &NN, wide)?).collect();
        tables.extend(compare(&arguments, beside_cpu, "the CPU path", first)?);
        // The same product, then those of the weight and input gradients.
        for shape in [wide, [784, 128, 1024], [128, 1024, 784]] {
            let layouts: [&'static dyn AnyKernel; 3] = [&NN, &TN, &NT];
            let layouts = layouts.into_iter().map(|kernel| chosen(gpu, kernel, shape)).collect::<Result<_>>()?;
            tables.extend(compare(&arguments, layouts, "the plain layout", first)?);
        }
        tables.extend(compare(&arguments, families(gpu, &NN, skinny)?, "the best tiled", best_tiled)?);
    }
    let (rounds, seconds) = (arguments.rounds, arguments.seconds);
    let what = format!("`cargo bench --bench matmul`, {rounds} alternating rounds of {seconds} s");
    Ok(report(&device, "matmul", &what, &tables, !arguments.no_record)?)
}
