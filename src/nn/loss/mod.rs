//! Losses, each in its file: what training minimizes, as a mean over the valid rows of a batch.

mod binary_cross_entropy;
mod class_weights;
mod config;
mod cross_entropy;
mod definition;
mod huber;
mod l1;
mod mse;
mod softmax_mse;

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use class_weights::ClassWeights;
pub use config::LossConfig;
pub use cross_entropy::CrossEntropy;
pub use definition::{Loss, TargetValues};
pub use huber::HuberLoss;
pub use l1::L1Loss;
pub use mse::MseLoss;
pub use softmax_mse::SoftmaxMseLoss;

use super::names;
use crate::error::{Error, Result};
use std::str::FromStr;

/// Every loss.
pub const ALL: [&dyn Loss; 6] = [&CrossEntropy, &MseLoss, &SoftmaxMseLoss, &L1Loss, &HuberLoss, &BinaryCrossEntropy];

/// By name.
impl FromStr for &'static dyn Loss {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        names::by_name("loss", &ALL.map(|loss| (loss.name(), loss)), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
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
