//! What moves weights by their gradients: optimizers, schedules, clipping.

pub mod accumulate;
pub mod adam;
pub mod clip;
pub mod global_norm;
pub mod rmsprop;
pub mod schedule;
pub mod sgd;
pub mod square_sums;
