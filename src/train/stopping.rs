//! Early stopping.

use crate::error::{Error, Kind};
use crate::nn::metric::{self, Measured, Metric};
use std::fmt;
use std::str::FromStr;

/// A validation target that ends training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StopTarget {
    /// The metric.
    pub metric: &'static dyn Metric,
    /// The value that it has to reach.
    pub value: f64,
}

impl StopTarget {
    /// Whether the metric is as good as the target, or better.
    pub fn is_reached(self, measured: &Measured) -> bool {
        self.metric.reaches(measured.get(self.metric), self.value)
    }
}

impl FromStr for StopTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let target = text.split_once('=').and_then(|(name, value)| {
            let metric = metric::by_name(name)?;
            let value = value.parse().ok().filter(|&value| metric.is_target(value))?;
            Some(Self { metric, value })
        });
        target.ok_or_else(|| {
            let cause = format!("`{text}` is not a target such as accuracy=0.98 or loss=0.05");
            Error::new(Kind::Usage, cause, "give an accuracy above 0 and up to 1, or a loss above 0")
        })
    }
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// All epochs were completed.
    Epochs,
    /// All steps were done, where the run was of so many.
    Steps,
    /// Validation reached the target.
    Target,
    /// As many validations as patience allows had not improved.
    Patience,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epochs => "epochs",
            Self::Steps => "steps",
            Self::Target => "target",
            Self::Patience => "patience",
        })
    }
}

/// A validation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validated {
    /// How many whole epochs were done.
    pub epoch: usize,
    /// How many steps were done.
    pub step: usize,
    /// Over the validation items.
    pub score: Measured,
}

/// Follows validation. One is better than another if its loss is lower: the loss still tells models apart whose
/// accuracies are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct EarlyStopping {
    target: Option<StopTarget>,
    patience: Option<usize>,
    pub(super) best: Option<Validated>,
    /// Validations since the best.
    since_best: usize,
}

/// The result of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StopVerdict {
    /// Whether none before was as good.
    pub(super) is_best: bool,
    /// Why training should end now, if so.
    pub(super) stop: Option<StopReason>,
}

impl EarlyStopping {
    pub(super) fn new(target: Option<StopTarget>, patience: Option<usize>) -> Self {
        Self { target, patience, best: None, since_best: 0 }
    }

    /// Takes in the next validation.
    pub(super) fn judge(&mut self, now: Validated) -> StopVerdict {
        let is_best = self.best.is_none_or(|best| now.score.loss() < best.score.loss());
        if is_best {
            self.best = Some(now);
        }
        self.since_best = if is_best { 0 } else { self.since_best + 1 };
        let stop = if self.target.is_some_and(|target| target.is_reached(&now.score)) {
            Some(StopReason::Target)
        } else {
            self.patience.filter(|patience| self.since_best >= *patience).map(|_| StopReason::Patience)
        };
        StopVerdict { is_best, stop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::metric::{Accuracy, MeanLoss};

    /// The verdicts on validations of these losses, and accuracies of 1 less the loss.
    fn verdicts(
        target: Option<StopTarget>,
        patience: Option<usize>,
        losses: &[f64],
    ) -> Vec<(bool, Option<StopReason>)> {
        let mut stopping = EarlyStopping::new(target, patience);
        let validated = |(i, &loss)| Validated {
            epoch: 0,
            step: 7 * (i + 1),
            score: Measured::of(&[("loss", loss), ("accuracy", 1.0 - loss)]),
        };
        let verdict = |validated| stopping.judge(validated);
        losses.iter().enumerate().map(validated).map(verdict).map(|v| (v.is_best, v.stop)).collect()
    }

    #[test]
    fn patience_counts_validations_since_the_best() {
        let patient = |losses: &[f64]| verdicts(None, Some(2), losses);
        let on = |is_best| (is_best, None);
        let end = (false, Some(StopReason::Patience));
        assert_eq!(patient(&[0.5, 0.6, 0.6]), [on(true), on(false), end]);
        assert_eq!(patient(&[0.5, 0.6, 0.4, 0.4, 0.5]), [on(true), on(false), on(true), on(false), end]);
        assert_eq!(verdicts(None, None, &[0.1, 0.2, 0.3, 0.4])[3], on(false));
    }

    #[test]
    fn a_target_ends_training_as_soon_as_it_is_reached() {
        let ended =
            |target: &str| verdicts(target.parse().ok(), None, &[0.5, 0.25, 0.1]).iter().position(|v| v.1.is_some());
        assert_eq!(ended("accuracy=0.75"), Some(1));
        assert_eq!(ended("loss=0.1"), Some(2));
        assert_eq!(ended("loss=0.09"), None);
    }

    #[test]
    fn targets_are_read_and_nonsense_is_refused() {
        assert_eq!("accuracy=0.98".parse(), Ok(StopTarget { metric: &Accuracy, value: 0.98 }));
        assert_eq!("loss=0.05".parse(), Ok(StopTarget { metric: &MeanLoss, value: 0.05 }));
        for text in ["0.98", "accuracy", "accuracy=98", "accuracy=0", "loss=nan", "loss=-1", "recall=0.5", ""] {
            let error = text.parse::<StopTarget>().expect_err("no target");
            assert!(error.kind() == Kind::Usage && error.cause().contains(text), "{error}");
        }
    }
}
