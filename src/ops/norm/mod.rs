//! Norms over rows and over the batch.

pub mod batch_norm;
pub mod batch_norm_evaluate;
pub mod batch_norm_gradient;
pub mod layer_norm;
pub mod layer_norm_gradient;
pub mod layer_norm_weight_gradient;
mod moments;

use super::Registered;

/// The kernels of this family.
pub static ALL: &[&dyn Registered] = &[
    &layer_norm::LayerNormKernel,
    &layer_norm_gradient::LayerNormGradientKernel,
    &layer_norm_weight_gradient::LayerNormWeightGradientKernel,
    &batch_norm::BatchNormKernel,
    &batch_norm_evaluate::BatchNormEvaluateKernel,
    &batch_norm_gradient::BatchNormGradientKernel,
];
