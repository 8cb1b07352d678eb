//! Metrics, each in its file: numbers on how a model does over some items, out of sums that add up over batches.

mod accuracy;
mod definition;
mod mean_loss;
mod measured;

pub use accuracy::Accuracy;
pub use definition::{BatchResult, Metric};
pub use mean_loss::MeanLoss;
pub use measured::{Measured, MetricSums};

/// Every metric.
pub(super) const ALL: [&dyn Metric; 2] = [&MeanLoss, &Accuracy];

/// The metric of this name, if there is one.
pub fn by_name(name: &str) -> Option<&'static dyn Metric> {
    ALL.into_iter().find(|metric| metric.name() == name)
}
