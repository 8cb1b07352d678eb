use super::definition::{Loss, TargetValues};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyOp;
use crate::ops::loss::softmax_cross_entropy_weighted::SoftmaxCrossEntropyWeightedOp;

/// Cross-entropy of the softmax of the outputs, in nats.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy;

impl Loss for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn is_weighted(&self) -> bool {
        true
    }

    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value> {
        let &TargetValues { labels, counters, class_weights, label_smoothing } = targets;
        match class_weights {
            None => graph.apply(SoftmaxCrossEntropyOp, &[output, labels, counters]),
            Some(weights) => {
                let op = SoftmaxCrossEntropyWeightedOp { smoothing: label_smoothing };
                graph.apply(op, &[output, labels, counters, weights])
            }
        }
    }
}
