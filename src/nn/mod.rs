//! Models: what they are made of, how their weights begin, and how they are trained.

mod activation;
mod augment;
mod blueprint;
mod criterion;
mod init;
pub mod layer;
mod layers;
mod micro_batches;
mod model;
mod names;
mod normalisation;
mod objective;
mod optimiser;
mod record;
mod scan;
pub mod toml;

pub use activation::Activation;
pub use augment::Augment;
pub use blueprint::{Blueprint, Recipe};
pub use criterion::{ClassWeights, Criterion};
pub use init::Initialiser;
pub use layers::{batch_norm, batch_norm_evaluate, dropout, embedding, flatten, layer_norm, linear, residual};
pub use micro_batches::MicroBatches;
pub use model::{CLASS_WEIGHTS, Model, NORMALISATION};
pub use normalisation::Normalisation;
pub use objective::Objective;
pub use optimiser::{Optimisation, Optimiser, Schedule};
pub use record::{Evaluation, Training};
pub use scan::{Found, SCAN_RECORD, found, scanned};
