//! Which variants of its kernels a run takes, and that they are tested before it begins.

use super::output::{Output, warn};
use crate::data::cache_folder;
use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, Gpu, GpuExecutor, Pipelines};
use crate::plan::Plan;
use crate::tuner::{self, Choice, Found, Timed, Tuned};
use crate::verify::{Passed, Replaced, SelfTest, self_test};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds that tuning may take on a GPU. On a software driver, which compiles for seconds, nothing is timed unasked.
const BUDGET: f64 = 1.0;

/// The flags on kernels.
#[derive(Debug, clap::Args)]
pub(super) struct KernelFlags {
    /// Do not test the kernels on the device before they are used; passed tests are kept, so that this saves time once
    #[arg(long)]
    no_self_test: bool,
    /// Take every kernel in its usual variant; do not time others, nor take what was fastest before
    #[arg(long, conflicts_with_all = ["tune_budget", "kernels"])]
    no_tune: bool,
    /// Time the variants of kernels for about this long; what is found is kept, so that this costs time once
    /// [default: 1 on a GPU, 0 on a software driver]
    #[arg(long, value_name = "SECONDS", conflicts_with = "kernels", allow_negative_numbers = true)]
    tune_budget: Option<f64>,
    /// Take the variants in this kernels.jsonl of another run, whose order of summation makes the same bits of its seed
    #[arg(long, value_name = "FILE")]
    kernels: Option<PathBuf>,
}

impl KernelFlags {
    /// An executor of a plan, in variants as these flags say, each tested on the device if it has not been before.
    pub(super) async fn executor(&self, gpu: &Arc<Gpu>, plan: Plan, output: &Output) -> Result<GpuExecutor> {
        let mut pipelines = Pipelines::new(Checks::Off);
        let mut gpu = self.tuned(gpu, &plan, &mut pipelines, output).await?;
        if !self.no_self_test {
            gpu = tested(gpu, &plan, &mut pipelines, output).await?;
        }
        let chosen: Vec<Value> = tuner::in_use(&gpu, &plan).iter().map(Choice::json).collect();
        output.event(&json!({ "event": "kernels", "chosen": chosen }))?;
        let executor = GpuExecutor::with_pipelines(gpu, plan, pipelines).await?;
        // What cannot be kept is compiled again the next time.
        let _ = executor.gpu().keep_compiled();
        Ok(executor)
    }

    async fn tuned(&self, gpu: &Arc<Gpu>, plan: &Plan, pipelines: &mut Pipelines, output: &Output) -> Result<Arc<Gpu>> {
        if self.no_tune {
            return Ok(gpu.clone());
        }
        if let Some(path) = &self.kernels {
            return tuner::replay(gpu, plan, &Choice::read_all(path)?);
        }
        let budget = seconds(self.tune_budget.unwrap_or(if gpu.caps.cpu { 0.0 } else { BUDGET }))?;
        plan.validate(&gpu.caps)?;
        let (mut found, started) = (found(), Instant::now());
        let Tuned { gpu, timed, left, .. } = tuner::tune(gpu.clone(), plan, pipelines, &mut found, budget).await?;
        // What cannot be kept is timed again the next time.
        let _ = found.write();
        if !timed.is_empty() {
            let seconds = started.elapsed().as_secs_f64();
            let others = timed.iter().filter(|timed| timed.chosen != timed.usual).count();
            let rest = if left > 0 { format!(", no time was left for {left}") } else { String::new() };
            let count = timed.len();
            output
                .line(format_args!("tuned   {count} kernels in {seconds:.2} s, {others} to another variant{rest}"))?;
            let timed: Vec<_> = timed.iter().map(told).collect();
            output.event(&json!({ "event": "tuned", "timed": timed, "left": left, "seconds": seconds }))?;
        }
        Ok(gpu)
    }
}

/// What was found by timing on this machine.
pub(super) fn found() -> Found {
    cache_folder().map_or_else(Found::default, |folder| Found::read(folder.join("variants.jsonl")))
}

/// A number of seconds as a flag gives it.
pub(super) fn seconds(number: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(|_| {
        let cause = format!("{number} is no number of seconds");
        Error::new(Kind::Usage, cause, "give 0 or more, such as 0.5")
    })
}

/// The candidates for a part of a plan, for machines.
pub(super) fn told(timed: &Timed) -> Value {
    let candidate =
        |(name, time): &(String, Duration)| json!({ "variant": name, "microseconds": 1e6 * time.as_secs_f64() });
    json!({
        "kernel": timed.kernel,
        "shape": timed.shape,
        "chosen": timed.chosen,
        "usual": timed.usual,
        "candidates": timed.candidates.iter().map(candidate).collect::<Vec<_>>(),
    })
}

/// The device, without trust in what has failed the test of this plan's kernels.
async fn tested(gpu: Arc<Gpu>, plan: &Plan, pipelines: &mut Pipelines, output: &Output) -> Result<Arc<Gpu>> {
    let started = Instant::now();
    let mut passed = cache_folder().map_or_else(Passed::default, |folder| Passed::read(folder.join("self-test")));
    let SelfTest { gpu, replaced, tests } = self_test(gpu, plan, pipelines, &mut passed).await?;
    // What cannot be kept is tested again the next time.
    let _ = passed.write();
    replaced.iter().for_each(warn);
    if tests > 0 {
        let seconds = started.elapsed().as_secs_f64();
        output.line(format_args!("tested  {tests} kernels as this run has them, in {seconds:.2} s"))?;
        let replaced: Vec<_> = replaced.iter().map(Replaced::to_string).collect();
        output.event(&json!({ "event": "self-test", "tests": tests, "seconds": seconds, "replaced": replaced }))?;
    }
    Ok(gpu)
}
