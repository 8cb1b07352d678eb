//! Training steps over models and batch sizes: samples per second.
//!
//!     cargo bench --bench step -- FILTER --device llvmpipe,cpu --seconds 3
//!
//! A filter such as `784-1024-10/128` selects some. Prints a table per device and appends it to `benches/record`.

#[path = "common/mod.rs"]
mod common;
#[path = "common/models.rs"]
mod models;

use clap::Parser;
use common::{Device, Spread, report};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use shadegrad::cpu::CpuExecutor;
use shadegrad::data::Dataset;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, DeviceChoice, Gpu, GpuExecutor, Pipelines};
use shadegrad::kernel::Caps;
use shadegrad::nn::Model;
use shadegrad::plan::{Executor, Plan};
use shadegrad::planner::{Set, TrainSpec, plan_training};
use shadegrad::train::{upload_split, upload_weights};
use shadegrad::tuner::{self, KnownVariants};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Measures training steps.
#[derive(Parser)]
struct Arguments {
    /// Part of the name to measure, such as `784-1024-10/128`
    #[arg(default_value = "")]
    filter: String,
    /// `cpu`, or adapter numbers or parts of their names
    #[arg(long, value_delimiter = ',', default_value = "0,cpu")]
    device: Vec<DeviceChoice>,
    /// Batch sizes
    #[arg(long, value_delimiter = ',', default_value = "32,128,512,2048")]
    batch: Vec<usize>,
    /// Seconds per model and batch size
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Samples per model and batch size
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(10..))]
    samples: u16,
    /// Skip (and report) anything that takes more than this many seconds per step
    #[arg(long, default_value_t = 1.0)]
    longest: f64,
    /// Seconds for kernel tuning per model and batch size, on adapters
    #[arg(long, default_value_t = 0.0)]
    tune_budget: f64,
    /// Do not append to the record
    #[arg(long)]
    no_record: bool,
    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Steps per submission: the size of the metrics ring.
const RING: usize = 128;

/// A model in training.
struct Trainee<E> {
    executor: E,
    /// Steps per submission.
    stride: u64,
}

impl<E: Executor> Trainee<E> {
    fn new(mut executor: E, model: &Model, data: &Dataset) -> Result<Self> {
        upload_split(&mut executor, Set::Train, data.train())?;
        upload_weights(&mut executor, model, &model.initial(1))?;
        Ok(Self { executor, stride: 1 })
    }

    /// Duration of `steps` steps.
    ///
    /// # Panics
    /// If the device fails or the loss is not finite.
    fn time(&mut self, steps: u64) -> Duration {
        let begun = Instant::now();
        let work = |part: u64| {
            self.executor.run("train", part as u32)?;
            let metrics = self.executor.memory().find("train/metrics").expect("training has metrics");
            pollster::block_on(self.executor.fetch(metrics, 0, 1)?)
        };
        let parts = (0..steps).step_by(self.stride as usize).map(|done| self.stride.min(steps - done));
        let losses: Vec<f32> = parts.map(work).collect::<Result<Vec<_>>>().expect("the device works").concat();
        assert!(losses.iter().all(|loss| loss.is_finite()), "the loss is not finite");
        begun.elapsed()
    }
}

/// Measures one model at one batch size.
fn measure<E: Executor>(
    criterion: &mut Criterion,
    samples: u16,
    group: &str,
    batch: usize,
    trainee: &mut Trainee<E>,
) -> Spread {
    let mut rates = Vec::new();
    let mut group = criterion.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(batch as u64));
    group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
        bencher.iter_custom(|steps| {
            let taken = trainee.time(steps);
            rates.push((steps * batch as u64) as f64 / taken.as_secs_f64());
            taken
        });
    });
    // Earlier samples are warm-up.
    Spread(rates.split_off(rates.len().saturating_sub(samples.into())))
}

/// Measures every model at every batch size; returns the table rows.
fn measure_all<E: Executor>(
    arguments: &Arguments,
    (device, caps): (&str, &Caps),
    data: &Dataset,
    start: impl Fn(Plan) -> Result<E>,
) -> Result<Vec<String>> {
    let mut criterion = Criterion::default()
        .sample_size(arguments.samples.into())
        .measurement_time(Duration::from_secs_f64(arguments.seconds))
        .warm_up_time(Duration::from_secs_f64(arguments.seconds / 4.0));
    let mut rows = Vec::new();
    for hidden in models::MODELS {
        let widths =
            [data.train().features()].into_iter().chain(hidden.iter().copied()).chain([data.task().outputs().len()]);
        let model = Model::mlp(widths.collect::<Vec<_>>())?;
        for &batch in &arguments.batch {
            if !format!("{model}/{batch}").contains(&arguments.filter) {
                continue;
            }
            let mut trainee =
                Trainee::new(start(plan_training(&model, &training(data, batch), caps)?.plan)?, &model, data)?;
            let step = [trainee.time(1), trainee.time(1)][1].as_secs_f64();
            if step > arguments.longest {
                rows.push(format!("| {model} | {batch} | skipped: a step takes {step:.1} s | |"));
                continue;
            }
            trainee.stride = ((0.1 / step) as u64).clamp(1, RING as u64);
            let rates = measure(&mut criterion, arguments.samples, &format!("{device} {model}"), batch, &mut trainee);
            let microseconds = 1e6 * batch as f64 / rates.median();
            rows.push(format!("| {model} | {batch} | {rates:.0} | {microseconds:.0} |"));
        }
    }
    Ok(rows)
}

/// An executor of the plan, tuned within the budget.
async fn tuned(gpu: &Arc<Gpu>, plan: Plan, budget: Duration) -> Result<GpuExecutor> {
    let mut pipelines = Pipelines::new(Checks::Off);
    let tuned = tuner::tune(gpu.clone(), &plan, &mut pipelines, &mut KnownVariants::default(), budget).await?;
    GpuExecutor::with_pipelines(tuned.gpu, plan, pipelines).await
}

fn training(data: &Dataset, batch: usize) -> TrainSpec {
    TrainSpec { ring: RING, ..TrainSpec::new(data.train().len(), batch, 1) }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let data = models::images();
    for choice in &arguments.device {
        let device = Device::open(choice)?;
        let name = choice.to_string();
        let rows = match &device {
            Device::Cpu => measure_all(&arguments, (&name, &Caps::portable()), &data, CpuExecutor::<f32>::new)?,
            Device::Gpu(gpu) => {
                let start = |plan| pollster::block_on(tuned(gpu, plan, Duration::from_secs_f64(arguments.tune_budget)));
                measure_all(&arguments, (&name, &gpu.caps), &data, start)?
            }
        };
        let heading = ["| model | batch | samples/s, median (least to most) | us/step |", "| --- | --- | --- | --- |"];
        let table = heading.map(str::to_owned).into_iter().chain(rows).collect::<Vec<_>>();
        let what = format!("`cargo bench --bench step`, {} samples in {} s each", arguments.samples, arguments.seconds);
        report(&device, "step", &what, &table, !arguments.no_record)?;
    }
    Ok(())
}
