//! Peaks of an adapter, measured with shaders.

use super::super::blocks::blocks;
use super::super::report::{Least, Peaks, Rate, Resource, Spread};
use super::copy::{COPIES, PeakCopyParams};
use super::fma::{F16, F32, FmaParams};
use super::read::READS;
use super::words::SIZES;
use super::workgroup::{WorkgroupKernel, WorkgroupParams};
use crate::error::Result;
use crate::gpu::{Checks, Gpu, GpuExecutor, Stamps};
use crate::kernel::Kernel;
use crate::plan::{Executor, Keep, Memory, Plan, Role};
use crate::random::{Random, stream};
use crate::shape::DType;
use crate::verify::lockstep;
use std::sync::Arc;
use std::time::Instant;

/// Number of timed submissions and readbacks, and of dispatches per submission.
const REPEATS: usize = 50;
/// Submissions of dispatches per measurement.
const BURSTS: usize = 5;
/// From this size on, results are not compared.
const LARGEST: u64 = 4 * SIZES[SIZES.len() - 1] as u64;
/// A section that does almost nothing.
const NOTHING: &str = "nothing";

/// What a section of the plan measures.
struct Target {
    section: &'static str,
    resource: Resource,
    /// Memory footprint, if it matters.
    bytes: Option<u64>,
    /// Floating-point operations or bytes per run.
    work: u64,
}

/// Measures the peaks of an adapter; the notes name those skipped for wrong results.
///
/// # Errors
/// If the device fails, or lacks memory for the measurements.
pub async fn measure(gpu: &Arc<Gpu>) -> Result<(Peaks, Vec<String>)> {
    let (mut peaks, mut notes) = (Peaks::default(), Vec::new());
    let (plan, targets) = arithmetic(gpu)?;
    let mut executor = GpuExecutor::new(gpu.clone(), plan, Checks::Off).await?;
    seek(&mut executor, targets, &mut peaks, &mut notes).await?;
    latencies(&mut executor, &mut peaks).await?;
    // Repeated, since other load on the machine varies over time.
    let mut least = least_dispatches(&mut executor).await?;
    let most = gpu.caps.max_binding_bytes.min(gpu.caps.max_buffer_bytes) as usize / 4;
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        let (plan, targets) = memory(size)?;
        executor = executor.with_plan(plan, Keep::Data).await?;
        if let Some(words) = executor.memory().find("a") {
            let mut random = Random::new(0, stream::CASES);
            let random: Vec<u32> = (0..size).map(|_| random.bits()).collect();
            executor.write_words(words, &random)?;
        }
        seek(&mut executor, targets, &mut peaks, &mut notes).await?;
        least.extend(least_dispatches(&mut executor).await?);
    }
    peaks.least_dispatch = Least::of(&least);
    Ok((peaks, notes))
}

/// Multiply-adds and reads of workgroup memory.
fn arithmetic(gpu: &Gpu) -> Result<(Plan, Vec<Target>)> {
    // A CPU driver does about a thousandth of a GPU's work in the same time.
    let (n, rounds) = if gpu.caps.cpu { (1 << 14, 16) } else { (1 << 18, 256) };
    let mut memory = Memory::default();
    let numbers = memory.array("numbers", Role::Scratch, DType::F32, [n as usize])?;
    let sums = memory.array("sums", Role::Scratch, DType::U32, [n as usize])?;
    let (mut plan, mut targets) = (Plan::new(memory), Vec::new());
    for (kernel, resource) in [(&F32, Resource::F32), (&F16, Resource::F16)] {
        if resource == Resource::F32 || gpu.caps.f16 {
            let (section, params) = (Kernel::name(kernel), FmaParams::counting(n, rounds));
            plan.begin(section);
            plan.dispatch(section, kernel, params, &[("out", numbers)])?;
            targets.push(Target { section, resource, bytes: None, work: Kernel::flops(kernel, &params) });
        }
    }
    let (section, params) = (Kernel::name(&WorkgroupKernel), WorkgroupParams { n, rounds: 4 * rounds });
    plan.begin(section);
    plan.dispatch(section, &WorkgroupKernel, params, &[("out", sums)])?;
    targets.push(Target { section, resource: Resource::Workgroup, bytes: None, work: params.bytes_read() });
    add_nothing(&mut plan)?;
    Ok((plan, targets))
}

/// Adds the section that does almost nothing.
fn add_nothing(plan: &mut Plan) -> Result<()> {
    let a = plan.memory.array("nothing/a", Role::Scratch, DType::U32, [4])?;
    let out = plan.memory.array("nothing/out", Role::Scratch, DType::U32, [4])?;
    plan.begin(NOTHING);
    plan.dispatch(NOTHING, &COPIES[0], PeakCopyParams { n: 4 }, &[("a", a), ("out", out)])
}

/// Copies and reads of `size` words.
fn memory(size: usize) -> Result<(Plan, Vec<Target>)> {
    let mut memory = Memory::default();
    let a = memory.array("a", Role::Scratch, DType::U32, [size])?;
    let out = memory.array("out", Role::Scratch, DType::U32, [size])?;
    let (mut plan, mut targets) = (Plan::new(memory), Vec::new());
    let target = |plan: &Plan, section, resource| {
        let bytes = plan.section(section)?.dispatches.iter().map(|dispatch| plan.bytes(dispatch)).sum();
        Ok(Target { section, resource, bytes: Some(bytes), work: bytes })
    };
    for kernel in &COPIES {
        let section = Kernel::name(kernel);
        plan.begin(section);
        plan.dispatch(section, kernel, PeakCopyParams { n: size as u32 }, &[("a", a), ("out", out)])?;
        targets.push(target(&plan, section, Resource::Copy)?);
    }
    for kernel in &READS {
        let (section, params) = (Kernel::name(kernel), kernel.params(size as u32));
        let sums = plan.memory.view(out, section, [params.sums as usize])?;
        plan.begin(section);
        plan.dispatch(section, kernel, params, &[("a", a), ("out", sums)])?;
        targets.push(target(&plan, section, Resource::Read)?);
    }
    add_nothing(&mut plan)?;
    Ok((plan, targets))
}

/// Measures each target, checks its results against the twin, and keeps the best per resource and size.
async fn seek(
    executor: &mut GpuExecutor,
    targets: Vec<Target>,
    peaks: &mut Peaks,
    notes: &mut Vec<String>,
) -> Result<()> {
    for Target { section, resource, bytes, work } in targets {
        let times = blocks(executor, section).await?;
        // One compiled kernel serves all sizes; comparing the largest would only take time.
        let largest = bytes.is_some_and(|bytes| bytes >= LARGEST);
        let parted = if largest { None } else { lockstep(executor, section, |_| Ok(())).await? };
        if let Some(parted) = parted {
            notes.push(format!("peak of {resource} skipped: {parted}"));
            continue;
        }
        let rates: Vec<f64> = times.iter().map(|nanoseconds| work as f64 / nanoseconds).collect();
        let best = rates.iter().copied().fold(0.0, f64::max);
        let rate = Rate { resource, bytes, best, spread: Spread::of(&rates) };
        // Sums take a few bytes, so sizes differ slightly between kernels.
        let alike = |other: &Rate| {
            other.resource == resource && other.bytes.zip(bytes).is_none_or(|(a, b)| a / 2 < b && b / 2 < a)
        };
        match peaks.rates.iter_mut().find(|other| alike(other)) {
            Some(other) if other.best < best => *other = rate,
            Some(_) => {}
            None => peaks.rates.push(rate),
        }
    }
    Ok(())
}

/// Latency of a dispatch, a submission and a readback.
async fn latencies(executor: &mut GpuExecutor, peaks: &mut Peaks) -> Result<()> {
    let dispatches = blocks(executor, NOTHING).await?;
    let (mut submits, mut readbacks) = (Vec::new(), Vec::new());
    let sums = executor.memory().find("numbers");
    for _ in 0..REPEATS {
        let timed = executor.run_timed(NOTHING, 1, Stamps::None).await?;
        submits.push((timed.ended - timed.recorded).as_nanos() as f64);
        let begun = Instant::now();
        if let Some(sums) = sums {
            executor.fetch(sums, 0, 2)?.await?;
            readbacks.push(begun.elapsed().as_nanos() as f64);
        }
    }
    let spread = |nanoseconds: &[f64]| Some(Spread::of(nanoseconds).map(|x| x / 1e3));
    (peaks.dispatch, peaks.submit, peaks.readback) = (spread(&dispatches), spread(&submits), spread(&readbacks));
    Ok(())
}

/// Minimum microseconds of a dispatch in each of several submissions; empty without device timestamps.
async fn least_dispatches(executor: &mut GpuExecutor) -> Result<Vec<f64>> {
    let mut least = Vec::new();
    for _ in 0..BURSTS {
        let spans = executor.run_timed(NOTHING, REPEATS as u32, Stamps::Each).await?.spans.unwrap_or_default();
        least.extend(spans.iter().map(|[from, to]| to - from).min().map(|least| least as f64 / 1e3));
    }
    Ok(least)
}
