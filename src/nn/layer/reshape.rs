use super::definition::Layer;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::TomlTable;
use crate::nn::{ModelBuilder, Signal};
use crate::ops::elementwise::reshape;
use crate::shape::Shape;

/// Changes the shape of each row, keeping the order of elements. Free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The shape of a row.
    pub row: Vec<usize>,
}

impl Reshape {
    pub(super) fn read(table: &mut TomlTable<'_>) -> Result<Self> {
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

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let (row, new) = (b.row(x), Shape::new(self.row.clone()));
        if new.elements()? != row.elements()? {
            return Err(Error::new(
                Kind::Model,
                format!("rows of {new} out of rows of {row}, which have {} elements", row.elements()?),
                "give a shape of as many elements",
            ));
        }
        let batch = b.graph.shape(x.value).extents().first().copied().unwrap_or(1);
        let shape = Shape::new([&[batch], &self.row[..]].concat());
        Ok(x.with(b.graph.apply(reshape::ReshapeOp(shape), &[x.value])?))
    }
}
