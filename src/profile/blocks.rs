//! Times of a section by itself, again and again, a block of runs in a submit.

use super::subject::Subject;
use crate::error::Result;
use crate::gpu::Stamps;
use std::ops::Range;
use std::time::{Duration, Instant};

/// For how long blocks are timed, where that is enough for the least number of them; and for how long at most.
const PATIENCE: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(1);
/// How many blocks at least and at most.
const BLOCKS: Range<usize> = 5..60;
/// Nanoseconds that a block should take, beside which those of its submit do not count.
const BLOCK: f64 = 4e6;

/// Nanoseconds of a run of `section`, from each of several blocks.
pub(super) async fn blocks<S: Subject>(subject: &mut S, section: &str) -> Result<Vec<f64>> {
    // The first is not counted: drivers still compile and allocate in it.
    block(subject, section, 1).await?;
    let once = block(subject, section, 1).await?;
    let runs = (BLOCK / once).clamp(1.0, 1000.0) as u32;
    let (begun, mut times) = (Instant::now(), Vec::new());
    loop {
        times.push(block(subject, section, runs).await?);
        let patience = if times.len() < BLOCKS.start { LONGEST } else { PATIENCE };
        if times.len() == BLOCKS.end || begun.elapsed() >= patience {
            return Ok(times);
        }
    }
}

/// Nanoseconds of one of so many runs: by the device's clock, or by the host's where that tells nothing.
async fn block<S: Subject>(subject: &mut S, section: &str, runs: u32) -> Result<f64> {
    let timed = subject.timed(section, runs, Stamps::Ends).await?;
    let by_host = (timed.ended - timed.recorded).as_nanos() as f64;
    let time = timed.spans.map_or(by_host, |spans| spans.iter().map(|[from, to]| (to - from) as f64).sum());
    Ok(time.max(1.0) / f64::from(runs))
}
