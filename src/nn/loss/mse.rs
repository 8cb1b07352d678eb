use super::definition::{Loss, TargetValues};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::{self, LossOp};

/// Squared error of the outputs from one-hot labels.
#[derive(Clone, Copy, Debug)]
pub struct MseLoss;

impl Loss for MseLoss {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value> {
        graph.apply(LossOp::new(&loss::MSE), &[output, targets.labels, targets.counters])
    }
}
