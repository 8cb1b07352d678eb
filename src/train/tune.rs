//! Successive halving: many trials for few epochs, the better half of them for twice as many, and so on.
//!
//! Source: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS
//! 2016, figure 3. Each rung retrains its trials from scratch, so that a result depends only on settings and epochs,
//! and the learning rate schedule spans the run.

use crate::error::{Error, Kind, Result};
use crate::nn::metric::Measured;

/// Maximum number of trials.
const MOST_TRIALS: usize = 1 << 16;

/// Number of trials, and their training time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halving {
    trials: usize,
    rungs: usize,
    min_epochs: usize,
}

/// A scheduled run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The trial's number, which determines its settings.
    pub trial: usize,
    /// The rung, from 0.
    pub rung: usize,
    /// Passes over the training set.
    pub epochs: usize,
}

/// A finished run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finished {
    /// The run.
    pub run: Assignment,
    /// Over the validation items after it; none where its loss ceased to be finite.
    pub score: Option<Measured>,
}

impl Finished {
    /// The loss for ranking. A non-finite loss is the worst.
    fn loss(&self) -> f64 {
        self.score.map(|score| score.loss()).filter(|loss| loss.is_finite()).unwrap_or(f64::INFINITY)
    }
}

/// Sorts best first: by loss, ties by number and rung.
pub fn rank(runs: &mut [Finished]) {
    let order = |run: &Finished| (run.run.trial, run.run.rung);
    runs.sort_by(|a, b| a.loss().total_cmp(&b.loss()).then_with(|| order(a).cmp(&order(b))));
}

/// The score of a run, or none if its loss became non-finite, which is not an error of the search.
///
/// # Errors
/// Any other error of the run.
pub fn unless_diverged(result: Result<Measured>) -> Result<Option<Measured>> {
    match result {
        Ok(score) => Ok(Some(score).filter(|score| score.loss().is_finite())),
        Err(error) if error.kind() == Kind::Numeric => Ok(None),
        Err(error) => Err(error),
    }
}

impl Halving {
    /// `trials` trials, starting with `min_epochs` epochs, in `rungs` rungs.
    ///
    /// # Errors
    /// If a number is 0 or too large, or there are too few trials for the rungs.
    pub fn new(trials: usize, rungs: usize, min_epochs: usize) -> Result<Self> {
        let usage = |cause: String, advice: String| Err(Error::new(Kind::Usage, cause, advice));
        if !(1..=MOST_TRIALS).contains(&trials) {
            return usage(format!("{trials} trials"), format!("give 1 to {MOST_TRIALS}, such as --trials 16"));
        }
        let most = trials.ilog2() as usize + 1;
        if !(1..=most).contains(&rungs) {
            let advice = format!("give 1 to {most}, such as --rungs {}, or more --trials", most.min(3));
            return usage(format!("{rungs} rungs are too many for {trials} trials"), advice);
        }
        if min_epochs == 0 || min_epochs.checked_mul(1 << (rungs - 1)).is_none() {
            return usage(
                format!("{min_epochs} epochs in the first of {rungs} rungs"),
                "give 1 or more, such as --min-epochs 1".into(),
            );
        }
        Ok(Self { trials, rungs, min_epochs })
    }

    /// Number of runs in the search.
    pub fn runs(&self) -> usize {
        (0..self.rungs).map(|rung| self.trials >> rung).sum()
    }

    /// Number of rungs.
    pub fn rungs(&self) -> usize {
        self.rungs
    }

    /// Runs each assignment with `train`, except those in `done`, whose scores are reused; returns all runs in order.
    /// Deterministic, even if the search is interrupted and resumed.
    ///
    /// # Errors
    /// The first error of `train`, which ends the search.
    pub async fn search(
        &self,
        done: &[Finished],
        mut train: impl AsyncFnMut(Assignment) -> Result<Option<Measured>>,
    ) -> Result<Vec<Finished>> {
        let mut all = Vec::with_capacity(self.runs());
        let mut trials: Vec<usize> = (0..self.trials).collect();
        for rung in 0..self.rungs {
            trials.truncate(self.trials >> rung);
            // In the order of trial numbers, regardless of rank.
            trials.sort_unstable();
            let mut finished = Vec::with_capacity(trials.len());
            for trial in trials {
                let run = Assignment { trial, rung, epochs: self.min_epochs << rung };
                let score = match done.iter().find(|done| done.run == run) {
                    Some(done) => done.score,
                    None => train(run).await?,
                };
                finished.push(Finished { run, score });
            }
            all.extend_from_slice(&finished);
            rank(&mut finished);
            trials = finished.iter().map(|finished| finished.run.trial).collect();
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that decreases with epochs, toward a trial-specific limit; trial 5 diverges.
    fn score(run: Assignment) -> Result<Measured> {
        if run.trial == 5 {
            return Err(Error::new(Kind::Numeric, "the loss is NaN", "lower the learning rate"));
        }
        let loss = (run.trial * 7 % 16) as f64 + 1.0 / run.epochs as f64;
        Ok(Measured::of(&[("loss", loss), ("accuracy", 0.5)]))
    }

    fn search(halving: Halving, done: &[Finished]) -> Vec<Finished> {
        let train = async |run| unless_diverged(score(run));
        pollster::block_on(halving.search(done, train)).expect("no run fails")
    }

    #[test]
    fn each_rung_trains_the_better_half_for_twice_as_long() {
        let halving = Halving::new(16, 3, 2).expect("sound");
        let all = search(halving, &[]);
        assert_eq!((all.len(), halving.runs()), (28, 28));
        let rung = |rung| all.iter().filter(|f| f.run.rung == rung).map(|f| f.run).collect::<Vec<_>>();
        let trials = |runs: Vec<Assignment>| runs.iter().map(|run| run.trial).collect::<Vec<_>>();
        assert_eq!(trials(rung(0)), (0..16).collect::<Vec<_>>());
        // The eight and four smallest of 7 i mod 16; trial 5 would have had 3.
        assert_eq!(trials(rung(1)), [0, 1, 3, 7, 8, 10, 12, 14]);
        assert_eq!(trials(rung(2)), [0, 7, 12, 14]);
        assert!((0..3).all(|r| rung(r).iter().all(|run| run.epochs == 2 << r)));
        let mut ranked = all.clone();
        rank(&mut ranked);
        assert_eq!(ranked[0].run, Assignment { trial: 0, rung: 2, epochs: 8 });
        assert_eq!(ranked[27].run.trial, 5, "what diverges is the worst");
    }

    #[test]
    fn a_search_that_is_broken_off_anywhere_ends_the_same() {
        let halving = Halving::new(11, 4, 1).expect("sound");
        let whole = search(halving, &[]);
        for kept in 0..whole.len() {
            let mut done = Vec::new();
            let broken = pollster::block_on(halving.search(&[], async |run| {
                if done.len() == kept {
                    return Err(Error::new(Kind::Io, "killed", "go on"));
                }
                let score = unless_diverged(score(run))?;
                done.push(Finished { run, score });
                Ok(score)
            }));
            assert!(broken.is_err_and(|error| error.kind() == Kind::Io));
            let mut trained = 0;
            let resumed = pollster::block_on(halving.search(&done, async |run| {
                trained += 1;
                unless_diverged(score(run))
            }));
            assert_eq!(resumed, Ok(whole.clone()));
            assert_eq!(trained, whole.len() - kept);
        }
    }

    #[test]
    fn infinite_and_missing_losses_rank_last_and_ties_go_by_number() {
        let finished = |trial, loss: Option<f64>| Finished {
            run: Assignment { trial, rung: 0, epochs: 1 },
            score: loss.map(|loss| Measured::of(&[("loss", loss), ("accuracy", 0.0)])),
        };
        let mut runs = [finished(0, None), finished(1, Some(f64::NAN)), finished(2, Some(1.0)), finished(3, Some(1.0))];
        rank(&mut runs);
        assert_eq!(runs.map(|run| run.run.trial), [2, 3, 0, 1]);
    }

    #[test]
    fn schedules_that_cannot_be_are_refused() {
        for (trials, rungs, min_epochs) in
            [(0, 1, 1), (1, 0, 1), (16, 6, 1), (7, 4, 1), (4, 1, 0), (4, 3, usize::MAX), (usize::MAX, 1, 1)]
        {
            let refused = Halving::new(trials, rungs, min_epochs);
            assert!(refused.is_err_and(|error| error.kind() == Kind::Usage), "{trials} {rungs} {min_epochs}");
        }
        assert_eq!(Halving::new(1, 1, 5).map(|halving| halving.runs()), Ok(1));
        assert_eq!(Halving::new(16, 5, 1).map(|halving| halving.runs()), Ok(31));
    }
}
