//! How weights are updated: optimizers, schedules of the learning rate, clipping; and their dispatches in a plan.
//!
//! An optimizer is one file here and one line in [`registry()`]: its settings become flags of the command and keys of model
//! files. It is one dispatch over the flat arenas; clipping adds three and a schedule adds one, where they are on. Adam
//! needs no dispatch of its own where products give all gradients, as in a perceptron: they update the weights too.

mod adam;
mod adamw;
mod clip;
mod config;
mod fusion;
mod groups;
mod hyperparameter;
mod lion;
mod optimizer;
mod registry;
mod rmsprop;
mod schedule;
mod sgd;
mod update;

pub use adam::Adam;
pub use adamw::AdamW;
pub use config::UpdateConfig;
pub use groups::{Group, UpdatePart, groups, parameter_arena};
pub use hyperparameter::{Hyperparameter, ValueMut};
pub use lion::Lion;
pub use optimizer::Optimizer;
pub use registry::{by_name, registry};
pub use rmsprop::RmsProp;
pub use schedule::Schedule;
pub use sgd::Sgd;
