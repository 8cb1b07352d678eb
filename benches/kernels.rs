//! Every kernel at benchmark shapes, in the variant training uses: time, GFLOP/s and GB/s.
//!
//!     cargo bench --bench kernels -- FILTER --device llvmpipe,cpu --seconds 1
//!
//! Runs all kernels without a filter. Prints a table per device and appends it to `benches/record`.

#[path = "common/mod.rs"]
mod common;
#[path = "common/kernel.rs"]
mod kernel;
#[path = "common/models.rs"]
mod models;
#[path = "common/shapes.rs"]
mod shapes;

use clap::Parser;
use common::{Device, Spread, report};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime};
use kernel::Ready;
use shadegrad::gpu::DeviceChoice;
use std::time::Duration;

/// Measures kernels.
#[derive(Parser)]
struct Arguments {
    /// Part of the kernel names to measure, such as `matmul_nn/128x784x1024` or `adam`
    #[arg(default_value = "")]
    filter: String,
    /// `cpu`, or adapter numbers or parts of their names
    #[arg(long, value_delimiter = ',', default_value = "0,cpu")]
    device: Vec<DeviceChoice>,
    /// Seconds per kernel and shape
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Samples per kernel and shape
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(10..))]
    samples: u16,
    /// Do not append to the record
    #[arg(long)]
    no_record: bool,
    /// Passed by cargo to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Measures one kernel at one shape; returns its table row.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, shape: &str, mut ready: Ready, samples: usize) -> String {
    let mut seconds = Vec::new();
    group.throughput(Throughput::Bytes((1e9 * ready.gigabytes()) as u64));
    group.bench_function(BenchmarkId::from_parameter(shape), |bencher| {
        bencher.iter_custom(|runs| {
            let taken = ready.time(runs).unwrap_or_else(|error| panic!("{} {shape}: {error}", ready.kernel.name()));
            seconds.push(taken.as_secs_f64() / runs as f64);
            taken
        });
    });
    // Earlier samples are warm-up.
    let seconds = seconds.split_off(seconds.len().saturating_sub(samples));
    let spread = |figure: &dyn Fn(f64) -> f64| Spread(seconds.iter().map(|&s| figure(s)).collect());
    let (work, moved) = (ready.gigaflops(), ready.gigabytes());
    let [time, rate, bandwidth] = [spread(&|s| 1e6 * s), spread(&|s| work / s), spread(&|s| moved / s)];
    format!("| {} | {shape} | {time} | {:.2} | {:.2} |", ready.kernel.name(), rate.median(), bandwidth.median())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let samples = usize::from(arguments.samples);
    let mut criterion = Criterion::default()
        .sample_size(samples)
        .measurement_time(Duration::from_secs_f64(arguments.seconds))
        .warm_up_time(Duration::from_secs_f64(arguments.seconds / 4.0));
    for choice in &arguments.device {
        let device = Device::open(choice)?;
        let mut table = vec![
            "| kernel | shape | us, median (least to most) | GFLOP/s | GB/s |".to_owned(),
            "| --- | --- | --- | --- | --- |".to_owned(),
        ];
        for (kernel, params) in shapes::shapes(&device)? {
            let shape = shapes::label(kernel, &params);
            if !format!("{}/{shape}", kernel.name()).contains(&arguments.filter) {
                continue;
            }
            let mut group = criterion.benchmark_group(format!("{choice} {}", kernel.name()));
            group.sampling_mode(SamplingMode::Flat);
            table.push(measure(&mut group, &shape, Ready::new(&device, kernel, &params)?, samples));
            group.finish();
        }
        let what = format!("`cargo bench --bench kernels`, {samples} samples in {} s per kernel", arguments.seconds);
        report(&device, "kernels", &what, &table, !arguments.no_record)?;
    }
    Ok(())
}
