use super::definition::{Loss, TargetValues};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::{self, LossOp};

/// Squared error of the softmax of the outputs from one-hot labels, as in the classic program.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxMseLoss;

impl Loss for SoftmaxMseLoss {
    fn name(&self) -> &'static str {
        "softmax-mse"
    }

    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value> {
        graph.apply(LossOp::new(&loss::SOFTMAX_MSE), &[output, targets.labels, targets.counters])
    }
}
