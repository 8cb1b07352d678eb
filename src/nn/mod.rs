//! Models and how their weights begin.

mod activation;
mod augment;
mod init;
mod layers;
mod mlp;
mod names;
mod objective;
mod optimiser;

pub use activation::Activation;
pub use augment::Augment;
pub use init::Initialiser;
pub use layers::{batch_norm, batch_norm_evaluate, dropout, embedding, flatten, layer_norm, linear, residual};
pub use mlp::{Evaluation, Mlp, Recipe, Training};
pub use objective::Objective;
pub use optimiser::{Optimisation, Optimiser, Schedule};
