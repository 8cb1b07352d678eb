use super::definition::Layer;
use crate::error::Result;
use crate::nn::{self, ModelBuilder, Signal};

/// Flattens each row. Free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten;

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        Ok(x.with(nn::flatten(b.graph, x.value)?))
    }
}
