//! Compares the plan derived from the graph with the hand-recorded one, alternating: memory and steps per second.
//!
//!     cargo bench --bench graph -- --rounds 9 --device cpu
//!
//! Both train an MLP on the embedded digits; `tests/graph.rs` checks that they give the same bits. Prints a table.

#![allow(clippy::print_stdout, reason = "prints a table")]

#[path = "../tests/by_hand/mod.rs"]
mod by_hand;

use by_hand::ByHand;
use clap::Parser;
use shadegrad::cpu::CpuExecutor;
use shadegrad::data::{Dataset, digits};
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, Chosen, DeviceChoice, Gpu, GpuExecutor, choose};
use shadegrad::kernel::Caps;
use shadegrad::nn::Model;
use shadegrad::plan::{Executor, Plan};
use shadegrad::planner::{Set, TrainSpec, plan_training};
use shadegrad::train::{upload_split, upload_weights};
use std::time::Instant;

/// Compares two plans of one step.
#[derive(Parser)]
struct Arguments {
    /// Rounds
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds per plan and round
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// `cpu`, or an adapter's number or part of its name
    #[arg(long, default_value = "0")]
    device: DeviceChoice,
    /// Hidden layer widths
    #[arg(long, value_delimiter = ',', default_value = "1024")]
    hidden: Vec<usize>,
    /// Batch size
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// An executor with a plan, and its rate in each round.
struct Contestant<E> {
    name: &'static str,
    dispatches: usize,
    bytes: usize,
    executor: E,
    /// Steps between waits for the device.
    stride: u32,
    rates: Vec<f64>,
}

impl<E: Executor> Contestant<E> {
    fn new(
        name: &'static str,
        plan: Plan,
        model: &Model,
        data: &Dataset,
        start: impl Fn(Plan) -> Result<E>,
    ) -> Result<Self> {
        let dispatches = plan.sections[0].dispatches.len();
        let bytes = plan.memory.buffers().iter().map(|buffer| 4 * buffer.words).sum();
        let mut executor = start(plan)?;
        upload_split(&mut executor, Set::Train, data.train())?;
        upload_weights(&mut executor, model, &model.initial(1))?;
        let mut contestant = Self { name, dispatches, bytes, executor, stride: 4, rates: Vec::new() };
        // Warm up, and find the number of steps that takes a tenth of a second.
        contestant.rate(0.5)?;
        contestant.stride = (contestant.rate(1.0)? / 10.0).ceil() as u32;
        Ok(contestant)
    }

    /// Trains for `seconds`, and returns steps per second.
    fn rate(&mut self, seconds: f64) -> Result<f64> {
        let metrics = self.executor.memory().find("train/metrics").expect("both plans have it");
        let (begun, mut steps, mut elapsed) = (Instant::now(), 0, 0.0);
        while steps == 0 || elapsed < seconds {
            self.executor.run("train", self.stride)?;
            let losses = pollster::block_on(self.executor.fetch(metrics, 0, 2)?)?;
            assert!(losses[0].is_finite(), "{}: a loss of {}", self.name, losses[0]);
            steps += self.stride;
            elapsed = begun.elapsed().as_secs_f64();
        }
        Ok(f64::from(steps) / elapsed)
    }
}

/// The median; the mean of the middle two for an even count.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0
}

fn compare<E: Executor>(arguments: &Arguments, device: &str, start: impl Fn(Plan) -> Result<E>) -> Result<()> {
    let data = digits(7);
    let widths = [data.train().features()]
        .into_iter()
        .chain(arguments.hidden.iter().copied())
        .chain([data.task().outputs().len()]);
    let model = Model::mlp(widths.collect::<Vec<_>>())?;
    let training = TrainSpec { ring: 128, ..TrainSpec::new(data.train().len(), arguments.batch, 1) };
    let by_hand = ByHand::new(&model).plan(training.clone())?;
    let derived = plan_training(&model, &training, &Caps::unlimited())?.plan;
    let mut pair = [
        Contestant::new("by hand", by_hand, &model, &data, &start)?,
        Contestant::new("derived", derived, &model, &data, &start)?,
    ];
    for _ in 0..arguments.rounds {
        for contestant in &mut pair {
            let rate = contestant.rate(arguments.seconds)?;
            contestant.rates.push(rate);
        }
    }
    let (rounds, seconds) = (arguments.rounds, arguments.seconds);
    println!("{model}, batch {}, {device}; {rounds} alternating rounds of {seconds} s\n", arguments.batch);
    println!("| plan | dispatches per step | bytes | steps/s, median (least to most) | ratio of medians |");
    println!("| --- | --- | --- | --- | --- |");
    let reference = median(&pair[0].rates);
    for Contestant { name, dispatches, bytes, rates, .. } in &pair {
        let [least, most] = [f64::min, f64::max].map(|pick| rates.iter().copied().reduce(pick).unwrap_or(f64::NAN));
        let (middle, ratio) = (median(rates), median(rates) / reference);
        println!("| {name} | {dispatches} | {bytes} | {middle:.1} ({least:.1} to {most:.1}) | {ratio:.3} |");
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match pollster::block_on(choose(&arguments.device))? {
        Chosen::Native | Chosen::NoGpu(_) => compare(&arguments, "cpu", CpuExecutor::<f32>::new),
        Chosen::Adapter(adapter) => {
            let gpu = pollster::block_on(Gpu::open(&adapter))?;
            let name = format!("{}, {}", gpu.info.name, gpu.info.driver_info);
            compare(&arguments, &name, |plan| pollster::block_on(GpuExecutor::new(gpu.clone(), plan, Checks::Off)))
        }
    }
}
