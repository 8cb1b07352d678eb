//! Timing candidates for one part of a plan in turns.

use crate::error::Result;
use std::time::{Duration, Instant};

/// Target duration between two clock readings, long enough to hide submission overhead.
const WINDOW: Duration = Duration::from_millis(3);
/// Maximum number of runs between two clock readings.
const MOST_REPEATS: f64 = 200.0;
/// Number of measurements per candidate.
const ROUNDS: usize = 5;
/// A candidate this many times slower than the best in its first run is dropped.
const HOPELESS: f64 = 3.0;
/// The default stays unless another variant takes less than this fraction of its time, so that noise does not decide.
const BETTER: f64 = 0.97;

/// A candidate being timed.
pub(super) struct Racer<'a> {
    name: String,
    /// Runs the candidate that many times and measures the duration.
    clock: Box<dyn Fn(u32) -> Result<Duration> + 'a>,
    /// Duration of the first timed run.
    first: Duration,
    repeats: u32,
    times: Vec<Duration>,
}

impl<'a> Racer<'a> {
    /// A candidate that has been run once, untimed, before.
    pub(super) fn new(name: String, clock: impl Fn(u32) -> Result<Duration> + 'a) -> Result<Self> {
        let first = clock(1)?;
        let repeats = (WINDOW.as_secs_f64() / first.as_secs_f64().max(1e-9)).clamp(1.0, MOST_REPEATS) as u32;
        Ok(Self { name, clock: Box::new(clock), first, repeats, times: Vec::new() })
    }

    fn run(&mut self) -> Result<()> {
        self.times.push((self.clock)(self.repeats)? / self.repeats);
        Ok(())
    }

    fn median(mut self) -> (String, Duration) {
        self.times.sort();
        (self.name, self.times[self.times.len() / 2])
    }
}

/// Candidates with their median times, fastest first, and the name of the selected one.
pub(super) type Ranking = (Vec<(String, Duration)>, String);

/// Times the candidates in turns, at least once each; `usual` stays unless another is clearly faster. `None` without
/// candidates.
pub(super) fn race(mut racers: Vec<Racer<'_>>, usual: &str, end: Instant) -> Result<Option<Ranking>> {
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
    let chosen = if stays { usual.to_owned() } else { fastest };
    Ok(Some((candidates, chosen)))
}
