//! Models: configuration, layers, initialization, and their plans.

mod activation;
mod augment;
mod builder;
mod config;
mod functions;
mod initializer;
pub mod layer;
pub mod loss;
pub mod metric;
mod model;
mod names;
mod normalization;
pub mod toml;

pub use activation::Activation;
pub use augment::Augment;
pub use builder::{Declared, Init, ModelBuilder, PassMode, Signal, Signature, Tensor, TensorSlots};
pub use config::{MlpConfig, ModelConfig};
pub use functions::{batch_norm, batch_norm_evaluate, dropout, embedding, flatten, layer_norm, linear, residual};
pub use initializer::Initializer;
pub use loss::{ClassWeights, LossConfig};
pub use model::{Model, NORMALIZATION};
pub use normalization::Normalization;
