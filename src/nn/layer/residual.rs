use super::{Declarations, Layer, Pass, Placed};
use crate::error::{Error, Kind, Result};
use crate::graph::Value;
use crate::nn::toml::Table;
use crate::ops::elementwise::add::Add;
use crate::shape::Shape;

/// x + layers(x), as [`crate::nn::residual`].
#[derive(Clone, Debug)]
pub struct Residual {
    /// The layers of the branch, which give rows of the shape that they take.
    pub layers: Vec<Placed>,
}

impl Residual {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self> {
        Ok(Self { layers: Placed::read_all(table)? })
    }
}

impl Layer for Residual {
    fn kind(&self) -> &'static str {
        "residual"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let layers: Vec<_> = self.layers.iter().map(Placed::to_toml).collect();
        vec![("layers", format!("[{}]", layers.join(", ")))]
    }

    fn validate(&self) -> Result<()> {
        self.layers.iter().try_for_each(Placed::validate)
    }

    fn declare(&self, declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        let end = self.layers.iter().try_fold(row.clone(), |row, layer| layer.declare(declared, &row))?;
        if end == *row {
            return Ok(end);
        }
        let cause = format!("its layers make rows of {end} out of rows of {row}, expected the same shape");
        Err(Error::new(Kind::Model, cause, "let its last layer give rows as wide as those that it takes"))
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        let change = self.layers.iter().try_fold(x, |x, placed| placed.layer.forward(pass, x))?;
        pass.graph.apply(Add, &[x, change])
    }
}
