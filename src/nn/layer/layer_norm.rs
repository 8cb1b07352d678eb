use super::affine::scale_and_offset;
use super::definition::Layer;
use crate::error::Result;
use crate::nn::{self, ModelBuilder, Signal};

/// Normalizes each row, with learned scale and offset. For formula and source see [`crate::ops::norm::layer_norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerNorm;

impl Layer for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let n = b.width(x)?;
        b.begin("ln");
        let [weight, bias] = scale_and_offset(b, n)?;
        Ok(x.with(nn::layer_norm(b.graph, x.value, weight, bias)?))
    }
}
