//! Table lookup by index.

pub mod embedding;
pub mod embedding_gradient;

use super::Registered;

/// The kernels of this family.
pub static ALL: &[&dyn Registered] = &[&embedding::EmbeddingKernel, &embedding_gradient::EmbeddingGradientKernel];
