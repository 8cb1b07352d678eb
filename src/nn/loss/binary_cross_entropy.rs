use super::definition::{Loss, TargetValues};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::{self, LossOp};

/// Binary cross-entropy of the sigmoid of each output with one-hot labels, in nats.
#[derive(Clone, Copy, Debug)]
pub struct BinaryCrossEntropy;

impl Loss for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value> {
        graph.apply(LossOp::new(&loss::BINARY_CROSS_ENTROPY), &[output, targets.labels, targets.counters])
    }
}
