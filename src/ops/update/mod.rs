//! What moves weights by their gradients: optimizers, schedules, clipping.

pub mod accumulate;
pub mod adam;
pub mod clip;
pub mod global_norm;
pub mod lion;
pub mod rmsprop;
pub mod schedule;
pub mod sgd;
pub mod square_sums;

use super::Registered;

/// The kernels of this family.
pub static ALL: &[&dyn Registered] = &[
    &adam::AdamKernel,
    &sgd::SgdKernel,
    &rmsprop::RmsPropKernel,
    &lion::LionKernel,
    &square_sums::SquareSumsKernel,
    &global_norm::GlobalNormKernel,
    &clip::ClipKernel,
    &accumulate::AccumulateKernel,
    &schedule::ScheduleKernel,
];
