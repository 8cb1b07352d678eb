//! What a loss is.

use crate::error::Result;
use crate::graph::{Graph, Value};
use std::fmt;

/// What a batch is compared with.
#[derive(Clone, Copy, Debug)]
pub struct TargetValues {
    /// The class of each row, `[m]`; [`crate::ops::IGNORE_INDEX`] for rows that are not valid.
    pub labels: Value,
    /// The step's counters, which contain the number of valid rows.
    pub counters: Value,
    /// Class weights `[n]`, if they differ or labels are smoothed.
    pub class_weights: Option<Value>,
    /// Label smoothing.
    pub label_smoothing: f32,
}

/// A loss of outputs against targets.
pub trait Loss: fmt::Debug + Send + Sync {
    /// Its name on the command line and in model files.
    fn name(&self) -> &'static str;

    /// Whether it supports class weights and label smoothing.
    fn is_weighted(&self) -> bool {
        false
    }

    /// The loss of each row of `output [m, n]`, as output 0 of an op that also provides the gradient of their mean:
    /// [`crate::graph::Op::objective`].
    ///
    /// # Errors
    /// If the shapes do not match.
    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value>;
}

impl fmt::Display for dyn Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn Loss {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
