//! What a model is trained to make small.

use super::names::named;
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropy;
use crate::ops::loss::{self, Loss, LossOp, LossParams};

/// A loss of logits against class labels, meant over the rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Objective {
    /// Cross-entropy of their softmax, in nats.
    #[default]
    CrossEntropy,
    /// Squared error of the logits against one-hot labels.
    Mse,
    /// Squared error of their softmax against one-hot labels, as the classic recipe trains it.
    SoftmaxMse,
    /// Absolute error of the logits against one-hot labels.
    L1,
    /// Huber's loss of the logits against one-hot labels, with a delta of 1.
    Huber,
    /// Binary cross-entropy of each logit against one-hot labels, in nats.
    BinaryCrossEntropy,
}

/// Each objective by the name that it has on the command line.
const NAMES: [(&str, Objective); 6] = [
    ("cross-entropy", Objective::CrossEntropy),
    ("mse", Objective::Mse),
    ("softmax-mse", Objective::SoftmaxMse),
    ("l1", Objective::L1),
    ("huber", Objective::Huber),
    ("binary-cross-entropy", Objective::BinaryCrossEntropy),
];

named!(Objective, "loss", NAMES);

impl Objective {
    /// The loss of each row of `logits [m, n]` for `labels [m]`.
    ///
    /// # Errors
    /// Where the shapes do not go together.
    pub fn losses(self, graph: &mut Graph, logits: Value, labels: Value, counters: Value) -> Result<Value> {
        let inputs = [logits, labels, counters];
        let mut of = |loss: &'static Loss| graph.apply(LossOp { loss, delta: LossParams::new(0, 0).delta }, &inputs);
        match self {
            Self::CrossEntropy => graph.apply(SoftmaxCrossEntropy, &inputs),
            Self::Mse => of(&loss::MSE),
            Self::SoftmaxMse => of(&loss::SOFTMAX_MSE),
            Self::L1 => of(&loss::L1),
            Self::Huber => of(&loss::HUBER),
            Self::BinaryCrossEntropy => of(&loss::BINARY_CROSS_ENTROPY),
        }
    }
}
