use super::definition::{Loss, TargetValues};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::{self, LossOp};

/// Huber loss of the outputs with one-hot labels, with a delta of 1.
#[derive(Clone, Copy, Debug)]
pub struct HuberLoss;

impl Loss for HuberLoss {
    fn name(&self) -> &'static str {
        "huber"
    }

    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value> {
        graph.apply(LossOp::new(&loss::HUBER), &[output, targets.labels, targets.counters])
    }
}
