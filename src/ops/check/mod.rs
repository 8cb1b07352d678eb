//! Looking for numbers that are not finite.

pub mod non_finite;
pub mod non_finite_record;
