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
    &begin_batch::BeginBatchKernel,
    &gather::GatherKernel,
    &gather_augmented::GatherAugmentedKernel,
    &byte_sums::ByteSumsKernel,
    &normalization::NormalizationKernel,
    &step_state::StepStateKernel,
    &micro_batch::MicroBatchKernel,
];
