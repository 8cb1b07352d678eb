//! Checks for non-finite numbers.

pub mod non_finite;
pub mod non_finite_record;

use super::Registered;

/// The kernels of this family.
pub static ALL: &[&dyn Registered] = &[&non_finite::NonFiniteKernel, &non_finite_record::NonFiniteRecordKernel];
