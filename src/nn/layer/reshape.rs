use super::{Declarations, Layer, Pass};
use crate::error::{Error, Kind, Result};
use crate::graph::Value;
use crate::nn;
use crate::nn::toml::Table;
use crate::ops::elementwise::reshape;
use crate::shape::Shape;

/// Each row's elements in another shape, in their order. It costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The shape of a row.
    pub row: Vec<usize>,
}

/// Each row's elements side by side. It costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten;

impl Reshape {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self> {
        let expected = "a list of whole numbers above 0";
        let valid = |row: &Vec<usize>| !row.is_empty() && !row.contains(&0);
        let row = table.take_valid("row", expected, valid)?;
        Ok(Self { row: row.ok_or_else(|| table.missing("row", expected))? })
    }
}

impl Layer for Reshape {
    fn kind(&self) -> &'static str {
        "reshape"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("row", format!("{:?}", self.row))]
    }

    fn declare(&self, _declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        let shape = Shape::new(self.row.clone());
        if shape.elements()? == row.elements()? {
            return Ok(shape);
        }
        Err(Error::new(
            Kind::Model,
            format!("rows of {shape} out of rows of {row}, which have {} elements", row.elements()?),
            "give a shape of as many elements",
        ))
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        let batch = pass.graph.shape(x).extents().first().copied().unwrap_or(1);
        let shape = [&[batch], &self.row[..]].concat();
        pass.graph.apply(reshape::Reshape(Shape::new(shape)), &[x])
    }
}

impl Layer for Flatten {
    fn kind(&self) -> &'static str {
        "flatten"
    }

    fn declare(&self, _declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        Ok(Shape::from([row.elements()?]))
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        nn::flatten(pass.graph, x)
    }
}
