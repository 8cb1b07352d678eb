//! How long a run is, and where in it validation stands.

use super::TrainConfig;
use crate::error::{Error, Kind, Result};

/// The steps of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) steps_per_epoch: usize,
    /// Steps of the whole run, whose last epoch may be cut short.
    pub(super) total: usize,
    /// Steps from validation to validation.
    eval_every: usize,
}

impl Course {
    /// The run that a valid configuration asks for over `samples` items.
    ///
    /// # Errors
    /// If the device cannot count its steps, and the micro-batches of all steps, in 32 bits.
    pub(super) fn new(config: &TrainConfig, samples: usize) -> Result<Self> {
        let steps_per_epoch = samples.div_ceil(config.batch_size).max(1);
        let total = config.steps.or_else(|| steps_per_epoch.checked_mul(config.epochs));
        let most = u32::MAX as usize / config.division(samples).count;
        let Some(total) = total.filter(|total| *total <= most) else {
            let (asked, advice) = match config.steps {
                Some(steps) => (format!("{steps} steps"), "give fewer, such as --steps 1000"),
                None => (format!("{} epochs", config.epochs), "give fewer, such as --epochs 5"),
            };
            let cause = format!("{asked} are more than the {most} steps that can be counted");
            return Err(Error::new(Kind::Usage, cause, advice));
        };
        Ok(Self { steps_per_epoch, total, eval_every: config.eval_every.unwrap_or(steps_per_epoch) })
    }

    /// How many steps are done at the next validation, after `done` steps; the run ends with one.
    pub(super) fn next_validation(&self, done: usize) -> usize {
        ((done / self.eval_every + 1).saturating_mul(self.eval_every)).min(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_follows_epochs_or_steps_and_ends_the_run() {
        let of = |config: TrainConfig| Course::new(&TrainConfig { batch_size: 10, ..config }, 95).expect("it is short");
        let stops = |course: Course| {
            let next = |done: &usize| Some(course.next_validation(*done)).filter(|_| *done < course.total);
            std::iter::successors(Some(0), next).skip(1).collect::<Vec<_>>()
        };
        let usual = TrainConfig::default();
        assert_eq!(stops(of(TrainConfig { epochs: 3, ..usual.clone() })), [10, 20, 30]);
        assert_eq!(stops(of(TrainConfig { steps: Some(24), ..usual.clone() })), [10, 20, 24]);
        assert_eq!(stops(of(TrainConfig { epochs: 2, eval_every: Some(7), ..usual.clone() })), [7, 14, 20]);
        assert_eq!(stops(of(TrainConfig { steps: Some(5), eval_every: Some(100), ..usual.clone() })), [5]);
        for config in [
            TrainConfig { steps: Some(1 << 33), ..usual.clone() },
            TrainConfig { epochs: usize::MAX, ..usual.clone() },
            TrainConfig { epochs: 1 << 31, micro_batch: Some(1), ..usual },
        ] {
            assert!(Course::new(&config, 95).is_err_and(|error| error.cause().contains("can be counted")));
        }
    }
}
