//! When training ends before its last epoch.

use super::Score;
use crate::error::{Error, Kind};
use std::fmt;
use std::str::FromStr;

/// What validation has to reach for training to end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At least this share of right answers.
    Accuracy(f64),
    /// At most this mean loss.
    Loss(f64),
}

impl Target {
    /// Whether `score` is good enough.
    pub fn is_reached(self, score: Score) -> bool {
        match self {
            Self::Accuracy(least) => score.accuracy >= least,
            Self::Loss(most) => score.loss <= most,
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let target = match text.split_once('=') {
            Some(("accuracy", value)) => number(value).filter(|x| *x > 0.0 && *x <= 1.0).map(Self::Accuracy),
            Some(("loss", value)) => number(value).filter(|x| *x > 0.0).map(Self::Loss),
            _ => None,
        };
        target.ok_or_else(|| {
            let cause = format!("`{text}` is no target such as accuracy=0.98 or loss=0.05");
            Error::new(Kind::Usage, cause, "give an accuracy above 0 and up to 1, or a loss above 0")
        })
    }
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs were done.
    Epochs,
    /// All steps were done, where the run was of so many.
    Steps,
    /// Validation reached the target.
    Target,
    /// As many validations as patience allows had not improved.
    Patience,
}

impl fmt::Display for Ending {
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
    pub score: Score,
}

/// Follows validation. One is better than another if its loss is lower: the loss still tells models apart whose
/// accuracies are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    target: Option<Target>,
    patience: Option<usize>,
    pub(super) best: Option<Validated>,
    /// Validations since the best.
    since_best: usize,
}

/// What follows from a validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether none before was as good.
    pub(super) is_best: bool,
    /// Why training should end now, where it should.
    pub(super) ending: Option<Ending>,
}

impl Judge {
    pub(super) fn new(target: Option<Target>, patience: Option<usize>) -> Self {
        Self { target, patience, best: None, since_best: 0 }
    }

    /// Takes in the next validation.
    pub(super) fn judge(&mut self, now: Validated) -> Verdict {
        let is_best = self.best.is_none_or(|best| now.score.loss < best.score.loss);
        if is_best {
            self.best = Some(now);
        }
        self.since_best = if is_best { 0 } else { self.since_best + 1 };
        let ending = if self.target.is_some_and(|target| target.is_reached(now.score)) {
            Some(Ending::Target)
        } else {
            self.patience.filter(|patience| self.since_best >= *patience).map(|_| Ending::Patience)
        };
        Verdict { is_best, ending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on validations of these losses, and accuracies of 1 less the loss.
    fn verdicts(target: Option<Target>, patience: Option<usize>, losses: &[f64]) -> Vec<(bool, Option<Ending>)> {
        let mut judge = Judge::new(target, patience);
        let validated =
            |(i, &loss)| Validated { epoch: 0, step: 7 * (i + 1), score: Score { loss, accuracy: 1.0 - loss } };
        let verdict = |validated| judge.judge(validated);
        losses.iter().enumerate().map(validated).map(verdict).map(|v| (v.is_best, v.ending)).collect()
    }

    #[test]
    fn patience_counts_validations_since_the_best() {
        let patient = |losses: &[f64]| verdicts(None, Some(2), losses);
        let on = |is_best| (is_best, None);
        let end = (false, Some(Ending::Patience));
        assert_eq!(patient(&[0.5, 0.6, 0.6]), [on(true), on(false), end]);
        assert_eq!(patient(&[0.5, 0.6, 0.4, 0.4, 0.5]), [on(true), on(false), on(true), on(false), end]);
        assert_eq!(verdicts(None, None, &[0.1, 0.2, 0.3, 0.4])[3], on(false));
    }

    #[test]
    fn a_target_ends_training_as_soon_as_it_is_reached() {
        let ended = |target| verdicts(Some(target), None, &[0.5, 0.25, 0.1]).iter().position(|v| v.1.is_some());
        assert_eq!(ended(Target::Accuracy(0.75)), Some(1));
        assert_eq!(ended(Target::Loss(0.1)), Some(2));
        assert_eq!(ended(Target::Loss(0.09)), None);
    }

    #[test]
    fn targets_are_read_and_nonsense_is_refused() {
        assert_eq!("accuracy=0.98".parse(), Ok(Target::Accuracy(0.98)));
        assert_eq!("loss=0.05".parse(), Ok(Target::Loss(0.05)));
        for text in ["0.98", "accuracy", "accuracy=98", "accuracy=0", "loss=nan", "loss=-1", "recall=0.5", ""] {
            let error = text.parse::<Target>().expect_err("no target");
            assert!(error.kind() == Kind::Usage && error.cause().contains(text), "{error}");
        }
    }
}
