//! The kernel tuner: times the candidate variants for each kernel of a plan, with the plan's own parameters, and
//! selects the fastest.
//!
//! Choosing a variant only changes summation order, and every order satisfies the kernel's error bound. The choice is
//! then tested like any other variant, by [`self_test`](crate::verify::self_test).

mod choices;
mod forms;
mod race;

pub use choices::{Choice, KnownVariants, in_use, replay};
pub use forms::{TunedForms, forms_in_use, replay_forms, tune_forms};

use crate::error::Result;
use crate::gpu::{Gpu, Pipelines, Run, Stopwatch};
use crate::kernel::{AnyKernel, Case, Inputs, word};
use crate::plan::Plan;
use crate::random::{Random, stream};
use crate::shader::{Access, Reflection};
use crate::shape::DType;
use crate::verify::shape;
use choices::of_choice;
use race::{Racer, race};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Timing results for a kernel of a plan.
#[derive(Clone, Debug)]
pub struct Timed {
    /// The kernel, or the op with several forms.
    pub kernel: String,
    /// The kernel's parameters, formatted as `m=128 k=784 n=1024`, or the op's input types.
    pub shape: String,
    /// Floating-point operations per run.
    pub flops: u64,
    /// Candidates with their median times, fastest first.
    pub candidates: Vec<(String, Duration)>,
    /// The selected variant.
    pub chosen: String,
    /// The previous variant.
    pub usual: String,
}

/// The result of tuning.
#[derive(Debug)]
pub struct Tuned {
    /// The device with new and cached choices applied.
    pub gpu: Arc<Gpu>,
    /// Kernels timed in this run.
    pub timed: Vec<Timed>,
    /// Kernels with several candidates whose choice was cached.
    pub known: usize,
    /// Kernels skipped for lack of time.
    pub left: usize,
}

/// Applies cached choices and times the candidates of the other kernels until `budget` is used up, most expensive
/// kernels first. Compiled candidates are added to `pipelines`.
///
/// Compilation counts toward the budget; a kernel that has been started is finished, so it may be exceeded.
///
/// # Errors
/// If the device fails.
pub async fn tune(
    mut gpu: Arc<Gpu>,
    plan: &Plan,
    pipelines: &mut Pipelines,
    found: &mut KnownVariants,
    budget: Duration,
) -> Result<Tuned> {
    let started = Instant::now();
    let (mut timed, mut known, mut left) = (Vec::new(), 0, 0);
    for (kernel, params) in of_choice(&gpu, plan) {
        if let Some(variant) = found.get(&gpu, kernel, params) {
            gpu = gpu.preferring(kernel.name(), params, variant);
            known += 1;
        } else if started.elapsed() >= budget {
            left += 1;
        } else if let Some(outcome) = time(&gpu, kernel, params, pipelines, started + budget).await? {
            found.add(&gpu, kernel, params, &outcome.chosen);
            gpu = gpu.preferring(kernel.name(), params, &outcome.chosen);
            timed.push(outcome);
        } else {
            left += 1;
        }
    }
    Ok(Tuned { gpu, timed, known, left })
}

/// Times the candidates of a kernel in turns; `None` if `end` is reached before each had one.
async fn time(
    gpu: &Arc<Gpu>,
    kernel: &'static dyn AnyKernel,
    params: &[u8],
    pipelines: &mut Pipelines,
    end: Instant,
) -> Result<Option<Timed>> {
    let usual = kernel.choose(params, &gpu.caps).name;
    let candidates = pipelines.prepare_variants(gpu, kernel, kernel.candidates(params, &gpu.caps)).await?;
    let mut racers = Vec::new();
    let mut inputs = None;
    for (variant, pipeline) in candidates {
        if Instant::now() >= end {
            return Ok(None);
        }
        let arrays = match &inputs {
            Some(arrays) => arrays,
            None => inputs.insert(arrays(kernel, params, &pipeline.reflection)?),
        };
        let run = Run { params, groups: kernel.groups(params, &variant), arrays };
        let stopwatch = Stopwatch::new(gpu, pipeline, &run).await?;
        racers.push(Racer::new(variant.name, move |repeats| stopwatch.time(repeats))?);
    }
    let Some((candidates, chosen)) = race(racers, &usual, end)? else { return Ok(None) };
    let (shape, flops) = (shape(kernel, params), kernel.flops(params));
    Ok(Some(Timed { kernel: kernel.name().to_owned(), shape, flops, candidates, chosen, usual }))
}

/// Input data similar to training's: a few thousand values, repeated.
fn arrays(kernel: &dyn AnyKernel, params: &[u8], reflection: &Reflection) -> Result<Vec<Vec<u32>>> {
    let mut random = Random::new(1, stream::CASES);
    let numbers: Vec<u32> = numbers(&mut random).map(f32::to_bits).collect();
    let (case, (fields, _)) = (Case::new(params.to_vec(), Inputs::Random), kernel.fields());
    let array = |binding: &crate::shader::Binding| {
        let words = binding.ty(|name| word(&fields, params, name))?.words()?;
        let mut given = || kernel.fill(&case, &binding.name, words, &mut random);
        Ok(match (binding.access, binding.dtype) {
            (Access::Write, _) => vec![0; words],
            (_, DType::F32) => given().unwrap_or_else(|| numbers.iter().cycle().take(words).copied().collect()),
            _ => given().unwrap_or_else(|| vec![0; words]),
        })
    };
    reflection.bindings.iter().map(array).collect()
}

/// A few thousand numbers like those of training.
fn numbers(random: &mut Random) -> impl Iterator<Item = f32> {
    (0..4096).map(|_| random.normal() as f32)
}
