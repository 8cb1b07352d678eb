//! What inputs are normalized by before a model sees them.

use super::names::named;

/// How a byte becomes an input. By [`super::NORMALIZATION`] a plan and a model file keep the mean that is subtracted
/// and the reciprocal that is multiplied by, in this order; by default those of [`Self::Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Normalization {
    /// Values from 0 to 1.
    #[default]
    Unit,
    /// To mean 0 and deviation 1 over all bytes of the training items, as [`crate::ops::batch::normalization`] measures
    /// them.
    Standard,
}

const NAMES: [(&str, Normalization); 2] = [("unit", Normalization::Unit), ("standard", Normalization::Standard)];

named!(Normalization, "normalization", NAMES);

impl Normalization {
    /// Mean and factor that leave values from 0 to 1 unchanged.
    pub const UNIT: [f32; 2] = [0.0, 1.0];
}
