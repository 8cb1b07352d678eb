//! What begins a step: counters, and rows of the data set.

pub mod begin_batch;
pub mod gather;
pub mod gather_augmented;
pub mod micro_batch;
pub mod normalisation;
pub mod pixel_sums;
pub mod step_state;
