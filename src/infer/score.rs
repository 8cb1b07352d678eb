//! Scores of outputs against targets, computed on the host.

use super::Outputs;
use std::fmt::Debug;

/// How well outputs agree with targets, by all rows at once.
pub trait Score: Debug + Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// The score of outputs whose rows are of these classes.
    fn of(&self, outputs: &Outputs, classes: &[usize]) -> f64;
}

/// The share of rows whose largest output is that of their class.
#[derive(Clone, Copy, Debug)]
pub struct AccuracyScore;

impl Score for AccuracyScore {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn of(&self, outputs: &Outputs, classes: &[usize]) -> f64 {
        let right = outputs.classes().iter().zip(classes).filter(|(found, class)| found == class).count();
        right as f64 / classes.len().max(1) as f64
    }
}
