use super::definition::{Loss, TargetValues};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::{self, LossOp};

/// Absolute error of the outputs from one-hot labels.
#[derive(Clone, Copy, Debug)]
pub struct L1Loss;

impl Loss for L1Loss {
    fn name(&self) -> &'static str {
        "l1"
    }

    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value> {
        graph.apply(LossOp::new(&loss::L1), &[output, targets.labels, targets.counters])
    }
}
