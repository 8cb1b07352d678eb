//! Models and how their weights begin.

mod init;
mod layers;
mod mlp;

pub use init::he_normal;
pub use layers::linear;
pub use mlp::{Evaluation, Mlp, Training};
