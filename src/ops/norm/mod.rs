//! Norms over rows and over a batch.

pub mod batch_norm;
pub mod batch_norm_evaluate;
pub mod batch_norm_gradient;
pub mod layer_norm;
pub mod layer_norm_gradient;
pub mod layer_norm_weight_gradient;
mod moments;
