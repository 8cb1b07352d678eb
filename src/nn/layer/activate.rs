use super::{Declarations, Layer, Pass};
use crate::error::Result;
use crate::graph::Value;
use crate::nn::Activation;
use crate::shape::Shape;

/// An activation function of each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activate(pub Activation);

impl Layer for Activate {
    fn kind(&self) -> &'static str {
        self.0.name()
    }

    fn declare(&self, _declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        Ok(row.clone())
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        self.0.apply(pass.graph, x)
    }
}
