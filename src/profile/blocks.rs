//! Timing one section in isolation: repeated blocks, each a submission of several runs.

use super::subject::Subject;
use crate::error::Result;
use crate::gpu::Stamps;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Time spent on blocks once the minimum count is reached, and the hard limit.
const PATIENCE: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(1);
/// Minimum and maximum number of blocks.
const BLOCKS: Range<usize> = 5..60;
/// Target nanoseconds per block, long enough to hide submission overhead.
const BLOCK: f64 = 4e6;

/// Nanoseconds per run of `section`, one value per block.
pub(super) async fn blocks<S: Subject>(subject: &mut S, section: &str) -> Result<Vec<f64>> {
    // Warm-up: drivers still compile and allocate.
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

/// Nanoseconds per run, by device timestamps, or by the host clock if there are none.
async fn block<S: Subject>(subject: &mut S, section: &str, runs: u32) -> Result<f64> {
    let timed = subject.timed(section, runs, Stamps::Ends).await?;
    let by_host = (timed.ended - timed.recorded).as_nanos() as f64;
    let time = timed.spans.map_or(by_host, |spans| spans.iter().map(|[from, to]| (to - from) as f64).sum());
    Ok(time.max(1.0) / f64::from(runs))
}
