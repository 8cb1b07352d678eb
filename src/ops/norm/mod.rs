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
    &layer_norm::LayerNorm,
    &layer_norm_gradient::LayerNormGradient,
    &layer_norm_weight_gradient::LayerNormWeightGradient,
    &batch_norm::BatchNorm,
    &batch_norm_evaluate::BatchNormEvaluate,
    &batch_norm_gradient::BatchNormGradient,
];
