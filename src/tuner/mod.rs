//! The tuner of kernels: times the variants that could do each part of a plan, at the plan's own parameters, and lets
//! the device take the fastest.
//!
//! Which variant runs changes no result beyond the order in which sums are added up, of which every order keeps the
//! kernel's bound. What is chosen is then tested like any other variant, by [`self_test`](crate::verify::self_test).

mod choices;

pub use choices::{Choice, Found, in_use, replay};

use crate::error::Result;
use crate::gpu::{Gpu, Pipeline, Pipelines, Run, Stopwatch};
use crate::kernel::{AnyKernel, Case, Inputs, Variant, word};
use crate::plan::Plan;
use crate::random::{Random, stream};
use crate::shader::{Access, Reflection};
use crate::shape::DType;
use crate::verify::shape;
use choices::of_choice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the runs between two looks at the clock should take, of which waiting for a submit is then a small part.
const WINDOW: Duration = Duration::from_millis(3);
/// Most runs between two looks at the clock.
const MOST_REPEATS: f64 = 200.0;
/// Turns that each candidate has.
const ROUNDS: usize = 5;
/// A candidate that takes so many times as long as the best in its first run has no more turns.
const HOPELESS: f64 = 3.0;
/// The usual choice stays unless another takes less than this share of its time: noise must not decide.
const BETTER: f64 = 0.97;

/// The candidates for a part of a plan, timed.
#[derive(Clone, Debug)]
pub struct Timed {
    /// The kernel.
    pub kernel: &'static str,
    /// Its parameters, as `m=128 k=784 n=1024`.
    pub shape: String,
    /// Floating-point operations of a run.
    pub flops: u64,
    /// Each candidate with the median time of a run, the fastest first.
    pub candidates: Vec<(String, Duration)>,
    /// The candidate that is taken from now on.
    pub chosen: String,
    /// The one that was taken before.
    pub usual: String,
}

/// How tuning went.
#[derive(Debug)]
pub struct Tuned {
    /// The device, taking what was found now and before.
    pub gpu: Arc<Gpu>,
    /// What was timed now.
    pub timed: Vec<Timed>,
    /// Parts of the plan with several candidates that were known before.
    pub known: usize,
    /// Parts of the plan that there was no time for.
    pub left: usize,
}

/// Takes what is known to be fastest for each part of a plan, and times the candidates for the rest until `budget` is
/// used up, those parts first that compute most. Pipelines of candidates go to `pipelines`.
///
/// Compiling counts; what has begun is ended, so that it may take somewhat longer.
///
/// # Errors
/// Where the device fails.
pub async fn tune(
    mut gpu: Arc<Gpu>,
    plan: &Plan,
    pipelines: &mut Pipelines,
    found: &mut Found,
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

/// Times the candidates of a kernel in turns; nothing where `end` came before each had one.
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
        racers.push(Racer::new(gpu, kernel, params, variant, pipeline, arrays).await?);
    }
    let Some(best) = racers.iter().map(|racer| racer.first).min() else { return Ok(None) };
    racers.retain(|racer| racer.first.as_secs_f64() <= HOPELESS * best.as_secs_f64() || racer.name == usual);
    for round in 0..ROUNDS {
        if round > 0 && Instant::now() >= end {
            break;
        }
        racers.iter_mut().try_for_each(Racer::run)?;
    }
    let mut candidates: Vec<_> = racers.into_iter().map(Racer::median).collect();
    candidates.sort_by_key(|(_, time)| *time);
    let (fastest, least) = candidates[0].clone();
    let before = candidates.iter().find(|(name, _)| *name == usual).map(|(_, time)| *time);
    let stays = before.is_some_and(|before| least.as_secs_f64() > BETTER * before.as_secs_f64());
    let chosen = if stays { usual.clone() } else { fastest };
    let (shape, flops) = (shape(kernel, params), kernel.flops(params));
    Ok(Some(Timed { kernel: kernel.name(), shape, flops, candidates, chosen, usual }))
}

/// A candidate in the race.
struct Racer {
    name: String,
    stopwatch: Stopwatch,
    /// How long the first timed run took.
    first: Duration,
    repeats: u32,
    times: Vec<Duration>,
}

impl Racer {
    async fn new(
        gpu: &Arc<Gpu>,
        kernel: &dyn AnyKernel,
        params: &[u8],
        variant: Variant,
        pipeline: Arc<Pipeline>,
        arrays: &[Vec<u32>],
    ) -> Result<Self> {
        let run = Run { params, groups: kernel.groups(params, &variant), arrays };
        let stopwatch = Stopwatch::new(gpu, pipeline, &run).await?;
        let first = stopwatch.time(1)?;
        let repeats = (WINDOW.as_secs_f64() / first.as_secs_f64().max(1e-9)).clamp(1.0, MOST_REPEATS) as u32;
        Ok(Self { name: variant.name, stopwatch, first, repeats, times: Vec::new() })
    }

    fn run(&mut self) -> Result<()> {
        self.times.push(self.stopwatch.time(self.repeats)? / self.repeats);
        Ok(())
    }

    fn median(mut self) -> (String, Duration) {
        self.times.sort();
        (self.name, self.times[self.times.len() / 2])
    }
}

/// Something to compute with: numbers like those of training, a few thousand over and over.
fn arrays(kernel: &dyn AnyKernel, params: &[u8], reflection: &Reflection) -> Result<Vec<Vec<u32>>> {
    let mut random = Random::new(1, stream::CASES);
    let numbers: Vec<u32> = (0..4096).map(|_| (random.normal() as f32).to_bits()).collect();
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
