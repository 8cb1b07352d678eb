//! What the host makes of the metrics that come back: scores, the rate, and reports on where training stands.

use crate::error::{Error, Kind, Result};
use crate::nn::metric::{BatchResult, Measured, MetricSums};
use crate::planner::MicroBatches;
use std::time::{Duration, Instant};

/// How long one submit may keep the device: long enough to hide its cost, short enough for a desktop to stay smooth.
const SUBMIT: Duration = Duration::from_millis(100);
/// Entries of metrics that the device keeps until they are read: one a step, or one a micro-batch.
const RING: usize = 4096;
/// Steps left out of the measured rate: the first ones find caches and clocks cold.
const WARM_UP: usize = 10;

/// Where training stands after some steps.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    /// Steps done, of [`Self::total_steps`].
    pub step: usize,
    /// Steps in all.
    pub total_steps: usize,
    /// Whole epochs done.
    pub epoch: usize,
    /// Whether the last of these steps ended an epoch.
    pub epoch_ended: bool,
    /// Over the current epoch so far; over the whole of it where it has ended.
    pub score: Measured,
    /// Over the validation items, where there are some and an epoch has ended.
    pub validation: Option<Measured>,
    /// The loss of each new step.
    pub losses: &'a [f32],
    /// Items a second since the warm-up; until that is over, since the start.
    pub samples_per_second: f64,
    /// How long training has taken so far, without validation.
    pub seconds: f64,
}

/// Steps whose metrics the device keeps until they are read, where each has so many micro-batches.
pub(super) fn steps_in_ring(division: MicroBatches) -> usize {
    (RING / division.count).max(1)
}

/// What to do about numbers that are not finite.
pub(super) const ADVICE: &str =
    "lower the learning rate (--lr), clip the gradients (--clip-norm 1), and check that the data are what you expect";

pub(super) fn not_finite(what: &str, loss: f64) -> Error {
    Error::new(Kind::Numeric, format!("{what} is {loss}, which is not finite"), ADVICE)
}

/// What the host knows of a run from the metrics read so far.
pub(super) struct Progress {
    samples: usize,
    batch: usize,
    division: MicroBatches,
    pub(super) step: usize,
    epoch: MetricSums,
    pub(super) last: Measured,
    /// Items trained on.
    items: usize,
    begun: Instant,
    /// When the warm-up ended, and how many items it took.
    pub(super) warm: Option<(Instant, usize)>,
    /// When the last of the steps ended.
    ended: Instant,
}

impl Progress {
    pub(super) fn new(samples: usize, batch: usize, division: MicroBatches) -> Self {
        let (last, begun) = (Measured::of(&[]), Instant::now());
        Self {
            samples,
            batch,
            division,
            step: 0,
            epoch: MetricSums::default(),
            last,
            items: 0,
            begun,
            warm: None,
            ended: begun,
        }
    }

    /// As many steps as fill a submit by the rate so far: one at first, and none beyond the end of the warm-up.
    pub(super) fn steps_per_submit(&self) -> usize {
        let fitting = (self.rate() * SUBMIT.as_secs_f64() / self.batch as f64) as usize;
        let most = if self.warm.is_none() { WARM_UP - self.step } else { steps_in_ring(self.division) / 4 };
        fitting.clamp(1, most.max(1))
    }

    pub(super) fn rate(&self) -> f64 {
        let (since, before) = self.warm.filter(|(_, items)| *items < self.items).unwrap_or((self.begun, 0));
        (self.items - before) as f64 / (self.ended - since).as_secs_f64().max(1e-9)
    }

    /// The metrics of the next steps, out of those of their micro-batches.
    pub(super) fn merge(&self, metrics: &[f32]) -> Vec<f32> {
        let steps = metrics.chunks_exact(2 * self.division.count).enumerate();
        let merged = steps.flat_map(|(i, entries)| {
            let rows = self.rows_of(self.step + i);
            let entries = entries.chunks_exact(2).enumerate();
            let parts = entries.map(|(index, entry)| BatchResult::of(entry, self.division.rows_in(index, rows)));
            let whole = BatchResult::joined(parts);
            [whole.mean_loss as f32, whole.right as f32]
        });
        merged.collect()
    }

    /// Rows in use of the batch of a step, counted from 0.
    fn rows_of(&self, step: usize) -> usize {
        let position = step % self.samples.div_ceil(self.batch) * self.batch;
        self.batch.min(self.samples - position)
    }

    /// The first of the next steps, whose metrics have just arrived, with a loss that is not finite; and that loss.
    pub(super) fn arrive(&mut self, metrics: &[f32]) -> Option<(usize, f32)> {
        self.ended = Instant::now();
        let first = metrics.chunks_exact(2).position(|entry| !entry[0].is_finite())?;
        Some((self.step + first + 1, metrics[2 * first]))
    }

    /// Leaves the time since the last steps ended, which went into something else, out of the rate.
    pub(super) fn resume(&mut self) {
        let pause = self.ended.elapsed();
        self.begun += pause;
        self.ended += pause;
        if let Some((since, _)) = &mut self.warm {
            *since += pause;
        }
    }

    /// Takes in the metrics of the next steps, and tells `watch`; `validation` is for the last of them.
    pub(super) fn take<W>(
        &mut self,
        metrics: &[f32],
        validation: Option<Measured>,
        watch: &mut W,
        total: usize,
    ) -> Result<()>
    where
        W: FnMut(Update<'_>) -> Result<()>,
    {
        let steps_per_epoch = self.samples.div_ceil(self.batch);
        let losses: Vec<f32> = metrics.chunks_exact(2).map(|entry| entry[0]).collect();
        let mut told = 0;
        for (i, entry) in metrics.chunks_exact(2).enumerate() {
            let rows = self.rows_of(self.step);
            self.step += 1;
            self.epoch.add(&BatchResult::of(entry, rows));
            self.last = self.epoch.measured();
            self.items += rows;
            let epoch_ended = self.step.is_multiple_of(steps_per_epoch);
            let is_last = i + 1 == losses.len();
            if epoch_ended || is_last {
                watch(Update {
                    step: self.step,
                    total_steps: total,
                    epoch: self.step / steps_per_epoch,
                    epoch_ended,
                    score: self.last,
                    validation: validation.filter(|_| is_last),
                    losses: &losses[told..=i],
                    samples_per_second: self.rate(),
                    seconds: (self.ended - self.begun).as_secs_f64(),
                })?;
                told = i + 1;
            }
            if epoch_ended {
                self.epoch = MetricSums::default();
            }
        }
        if self.warm.is_none() && self.step >= WARM_UP {
            self.warm = Some((self.ended, self.items));
        }
        Ok(())
    }
}
