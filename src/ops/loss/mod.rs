//! Per-row losses of a batch, and metrics of a step.

mod measure;
pub mod metrics;
mod output;
mod rows;
pub mod softmax_cross_entropy;
pub mod softmax_cross_entropy_metrics;
pub mod softmax_cross_entropy_weighted;

pub use measure::Measure;
pub use output::{BINARY_CROSS_ENTROPY, HUBER, L1, LossOp, LossParams, MSE, OutputLossKernel, SOFTMAX_MSE};

use super::Registered;

/// The kernels of this family.
pub static ALL: &[&dyn Registered] = &[
    &softmax_cross_entropy::SoftmaxCrossEntropyKernel,
    &softmax_cross_entropy_metrics::SoftmaxCrossEntropyMetricsKernel,
    &softmax_cross_entropy_weighted::SoftmaxCrossEntropyWeightedKernel,
    &MSE,
    &SOFTMAX_MSE,
    &L1,
    &HUBER,
    &BINARY_CROSS_ENTROPY,
    &metrics::MetricsKernel,
];
