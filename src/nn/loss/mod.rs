//! Losses, each in its file: what training minimizes, as a mean over the valid rows of a batch.

mod binary_cross_entropy;
mod class_weights;
mod config;
mod cross_entropy;
mod huber;
mod l1;
mod mse;
mod softmax_mse;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use class_weights::ClassWeights;
pub use config::LossConfig;
pub use cross_entropy::CrossEntropy;
pub use huber::HuberLoss;
pub use l1::L1Loss;
pub use mse::MseLoss;
pub use softmax_mse::SoftmaxMseLoss;

use super::names;
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use std::fmt;
use std::str::FromStr;

/// What a batch is compared with.
#[derive(Clone, Copy, Debug)]
pub struct TargetValues {
    /// The class of each row, `[m]`; [`crate::ops::IGNORE_INDEX`] for rows that are not valid.
    pub labels: Value,
    /// The counters of the step, which say how many rows are valid.
    pub counters: Value,
    /// How much each class counts, `[n]`, where they count differently or labels are smoothed.
    pub class_weights: Option<Value>,
    /// The share of each label that is spread evenly over all classes.
    pub label_smoothing: f32,
}

/// A loss of outputs against targets.
pub trait Loss: fmt::Debug + Send + Sync {
    /// Its name on the command line and in model files.
    fn name(&self) -> &'static str;

    /// Whether it knows class weights and label smoothing.
    fn is_weighted(&self) -> bool {
        false
    }

    /// The loss of each row of `output [m, n]`, as output 0 of an op that also knows the gradient of their mean:
    /// [`crate::graph::Op::objective`].
    ///
    /// # Errors
    /// Where the shapes do not go together.
    fn apply(&self, graph: &mut Graph, output: Value, targets: &TargetValues) -> Result<Value>;
}

/// Every loss. The first is the default.
const ALL: [&dyn Loss; 6] = [&CrossEntropy, &MseLoss, &SoftmaxMseLoss, &L1Loss, &HuberLoss, &BinaryCrossEntropy];

/// By name.
impl FromStr for &'static dyn Loss {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        names::by_name("loss", &ALL.map(|loss| (loss.name(), loss)), text)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::counter;
    use crate::shape::{DType, TensorType};

    #[test]
    fn every_loss_is_found_by_its_name_and_knows_its_gradient() {
        for loss in ALL {
            let found: &'static dyn Loss = loss.name().parse().unwrap_or_else(|error| panic!("{loss}: {error}"));
            assert_eq!((found, found.to_string().as_str()), (loss, loss.name()));
            let mut graph = Graph::default();
            let output = graph.placeholder(TensorType::f32([4, 3]));
            let labels = graph.placeholder(TensorType::new(DType::U32, [4]));
            let counters = graph.placeholder(TensorType::new(DType::U32, [counter::COUNT]));
            let weights = graph.placeholder(TensorType::f32([3]));
            for class_weights in [None, Some(weights)].into_iter().take(1 + usize::from(loss.is_weighted())) {
                let targets = TargetValues { labels, counters, class_weights, label_smoothing: 0.0 };
                let losses = loss.apply(&mut graph, output, &targets).unwrap_or_else(|error| panic!("{loss}: {error}"));
                assert_eq!(graph.shape(losses).extents(), [4], "{loss}");
                let gradient = graph.output(losses, 1).expect("a loss has two outputs");
                assert_eq!(graph.shape(gradient).extents(), [4, 3], "{loss}");
            }
        }
        let unknown = "hinge".parse::<&'static dyn Loss>().expect_err("there is none");
        assert!(unknown.advice().contains("cross-entropy, mse, softmax-mse, l1, huber"), "{unknown}");
    }
}
