//! Models and how their weights begin.

mod init;
mod mlp;

pub use init::he_normal;
pub use mlp::{Evaluation, Mlp, Training};
