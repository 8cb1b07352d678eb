use super::definition::Layer;
use crate::error::Result;
use crate::nn::{Activation, ModelBuilder, Signal};

/// An elementwise activation function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activate(pub Activation);

impl Layer for Activate {
    fn kind(&self) -> &'static str {
        self.0.name()
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        Ok(x.with(self.0.apply(b.graph, x.value)?))
    }
}
