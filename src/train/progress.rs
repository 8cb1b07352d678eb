//! Host-side metrics: scores, throughput and progress reports.

use crate::error::{Error, Kind, Result};
use crate::nn::metric::{BatchResult, Measured, MetricSums};
use crate::planner::MicroBatches;
use std::time::{Duration, Instant};

/// Maximum duration of a submission: long enough to hide its overhead, short enough to keep a desktop responsive.
const SUBMIT: Duration = Duration::from_millis(100);
/// Entries in the ring of metrics: one per step, or per micro-batch.
const RING: usize = 4096;
/// Steps excluded from the measured rate, while caches and clocks are cold.
const WARM_UP: usize = 10;

/// Progress after some steps.
#[derive(Clone, Debug)]
pub struct TrainUpdate<'a> {
    /// Steps done, out of [`Self::total_steps`].
    pub step: usize,
    /// Total steps.
    pub total_steps: usize,
    /// Complete epochs.
    pub epoch: usize,
    /// Whether the last of these steps ended an epoch.
    pub epoch_ended: bool,
    /// Over the current epoch so far, or the whole epoch if it ended.
    pub score: Measured,
    /// Over the validation items, where there are some and an epoch has ended.
    pub validation: Option<Measured>,
    /// The loss of each new step.
    pub losses: &'a [f32],
    /// Items a second since the warm-up; until that is over, since the start.
    pub samples_per_second: f64,
    /// Training time so far, without validation.
    pub seconds: f64,
}

/// Steps whose metrics fit in the ring, given their micro-batches.
pub(super) fn steps_in_ring(division: MicroBatches) -> usize {
    (RING / division.count).max(1)
}

/// Advice for non-finite numbers.
pub(super) const ADVICE: &str =
    "lower the learning rate (--lr), clip the gradients (--clip-norm 1), and check that the data are what you expect";

pub(super) fn not_finite(what: &str, loss: f64) -> Error {
    Error::new(Kind::Numeric, format!("{what} is {loss}"), ADVICE)
}

/// State of a run as known from the metrics read so far.
pub(super) struct RunProgress {
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
    /// Time when the last step ended.
    ended: Instant,
}

impl RunProgress {
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

    /// Steps per submission at the current rate: one at first, and none beyond the end of the warm-up.
    pub(super) fn steps_per_submit(&self) -> usize {
        let fitting = (self.rate() * SUBMIT.as_secs_f64() / self.batch as f64) as usize;
        let most = if self.warm.is_none() { WARM_UP - self.step } else { steps_in_ring(self.division) / 4 };
        fitting.clamp(1, most.max(1))
    }

    pub(super) fn rate(&self) -> f64 {
        let (since, before) = self.warm.filter(|(_, items)| *items < self.items).unwrap_or((self.begun, 0));
        (self.items - before) as f64 / (self.ended - since).as_secs_f64().max(1e-9)
    }

    /// The metrics of the next steps, merged from their micro-batches.
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

    /// Valid rows in the batch of a step, counted from 0.
    fn rows_of(&self, step: usize) -> usize {
        let position = step % self.samples.div_ceil(self.batch) * self.batch;
        self.batch.min(self.samples - position)
    }

    /// The first of the next steps with a non-finite loss, and that loss; their metrics have just arrived.
    pub(super) fn arrive(&mut self, metrics: &[f32]) -> Option<(usize, f32)> {
        self.ended = Instant::now();
        let first = metrics.chunks_exact(2).position(|entry| !entry[0].is_finite())?;
        Some((self.step + first + 1, metrics[2 * first]))
    }

    /// Excludes the time since the last step from the rate.
    pub(super) fn resume(&mut self) {
        let pause = self.ended.elapsed();
        self.begun += pause;
        self.ended += pause;
        if let Some((since, _)) = &mut self.warm {
            *since += pause;
        }
    }

    /// Adds the metrics of the next steps, and calls `watch`; `validation` belongs to the last of them.
    pub(super) fn take<W>(
        &mut self,
        metrics: &[f32],
        validation: Option<Measured>,
        watch: &mut W,
        total: usize,
    ) -> Result<()>
    where
        W: FnMut(TrainUpdate<'_>) -> Result<()>,
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
                watch(TrainUpdate {
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
