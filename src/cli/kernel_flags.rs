//! Which variants of its kernels a run takes, and that they are tested before it begins.

use super::output::{Output, warn};
use crate::data::cache_folder;
use crate::error::{Error, Kind, Result};
use crate::gpu::{Gpu, GpuExecutor};
use crate::plan::Plan;
use crate::session::{self, Options, Stage, Tuning};
use crate::tuner::{Choice, KnownVariants, Timed, Tuned};
use crate::verify::{Replaced, SelfTest};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The flags on kernels.
#[derive(Debug, clap::Args)]
pub(super) struct KernelFlags {
    /// Skip the kernel self-test; results are cached, so this only speeds up the first run
    #[arg(long)]
    no_self_test: bool,
    /// Use default kernel variants; ignore cached timings
    #[arg(long, conflicts_with_all = ["tune_budget", "kernels"])]
    no_tune: bool,
    /// Time limit for kernel tuning; results are cached [default: 1 on a GPU, 0 on a software driver]
    #[arg(long, value_name = "SECONDS", conflicts_with = "kernels", allow_negative_numbers = true)]
    tune_budget: Option<f64>,
    /// Use the kernel variants in another run's kernels.jsonl for bit-identical results
    #[arg(long, value_name = "FILE")]
    kernels: Option<PathBuf>,
}

impl KernelFlags {
    /// An executor of a plan in the variants these flags select, each tested on the device if it has not been before.
    pub(super) async fn executor(&self, gpu: &Arc<Gpu>, plan: Plan, output: &Output) -> Result<GpuExecutor> {
        session::prepare(gpu, plan, &self.options(gpu)?, |stage| tell(stage, output)).await
    }

    fn options(&self, gpu: &Gpu) -> Result<Options> {
        let usual = Options::suited_to(&gpu.caps);
        let tuning = match (&self.kernels, self.tune_budget) {
            _ if self.no_tune => Tuning::Off,
            (Some(path), _) => Tuning::Replay(Choice::read_all(path)?),
            (None, Some(budget)) => Tuning::Budget(seconds(budget)?),
            (None, None) => usual.tuning,
        };
        Ok(Options { tuning, self_test: !self.no_self_test, caches: cache_folder() })
    }
}

/// Reports each stage of preparing the device.
fn tell(stage: Stage<'_>, output: &Output) -> Result<()> {
    match stage {
        Stage::Tuned(Tuned { timed, left, .. }, took) if !timed.is_empty() => {
            let (count, seconds) = (timed.len(), took.as_secs_f64());
            let others = timed.iter().filter(|timed| timed.chosen != timed.usual).count();
            let rest = if *left > 0 { format!(", {left} skipped (out of time)") } else { String::new() };
            output.line(format_args!("tuned   {count} kernels in {seconds:.2} s, {others} switched variant{rest}"))?;
            let timed: Vec<_> = timed.iter().map(told).collect();
            output.event(&json!({ "event": "tuned", "timed": timed, "left": left, "seconds": seconds }))
        }
        Stage::Tested(SelfTest { replaced, tests, .. }, took) => {
            replaced.iter().for_each(warn);
            if *tests == 0 {
                return Ok(());
            }
            let seconds = took.as_secs_f64();
            output.line(format_args!("self-test: {tests} kernels passed in {seconds:.2} s"))?;
            let replaced: Vec<_> = replaced.iter().map(Replaced::to_string).collect();
            output.event(&json!({ "event": "self-test", "tests": tests, "seconds": seconds, "replaced": replaced }))
        }
        Stage::Chosen(chosen) => {
            let chosen: Vec<Value> = chosen.iter().map(Choice::json).collect();
            output.event(&json!({ "event": "kernels", "chosen": chosen }))
        }
        Stage::Tuned(..) => Ok(()),
    }
}

/// Cached timing results on this machine.
pub(super) fn found() -> KnownVariants {
    session::found(cache_folder().as_deref())
}

/// Parses a number of seconds.
pub(super) fn seconds(number: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(|_| {
        let cause = format!("{number} is not a valid duration");
        Error::new(Kind::Usage, cause, "use 0 or more seconds, such as 0.5")
    })
}

/// The candidates for a kernel, as JSON.
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
