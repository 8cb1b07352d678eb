//! The start of a step: counters, and rows of the data set.

pub mod begin_batch;
pub mod byte_sums;
pub mod gather;
pub mod gather_augmented;
pub mod micro_batch;
pub mod normalization;
pub mod step_state;

use super::Registered;

/// The kernels of this family.
pub static ALL: &[&dyn Registered] = &[
    &begin_batch::BeginBatch,
    &gather::Gather,
    &gather_augmented::GatherAugmented,
    &byte_sums::ByteSums,
    &normalization::Normalization,
    &step_state::StepState,
    &micro_batch::MicroBatch,
];
