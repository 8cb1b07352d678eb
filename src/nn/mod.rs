//! Models and how their weights begin.

mod init;
mod layers;
mod mlp;
mod objective;

pub use init::Initialiser;
pub use layers::linear;
pub use mlp::{Evaluation, Mlp, Training};
pub use objective::Objective;
