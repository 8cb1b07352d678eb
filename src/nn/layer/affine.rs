//! What norms learn.

use crate::error::Result;
use crate::graph::Value;
use crate::nn::{Init, ModelBuilder};

/// The parameters of a norm over `n` features: scale and offset.
pub(super) fn scale_and_offset(b: &mut ModelBuilder<'_>, n: usize) -> Result<[Value; 2]> {
    let weight = b.parameter("weight", [n], Init::Constant(1.0))?;
    Ok([weight, b.parameter("bias", [n], Init::Constant(0.0))?])
}
