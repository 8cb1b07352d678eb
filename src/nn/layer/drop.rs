use super::{Declarations, Layer, Pass};
use crate::error::{Error, Kind, Result};
use crate::graph::Value;
use crate::nn;
use crate::nn::toml::Table;
use crate::ops::elementwise::dropout::DropoutOp;
use crate::shape::Shape;

/// Dropout: in training, zero in place of some elements. Evaluation goes without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drop {
    /// The share of elements that is dropped, from 0 to less than 1.
    pub probability: f64,
}

impl Drop {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self> {
        let expected = "a number from 0 to below 1";
        let probability = table.take_valid("probability", expected, |p| (0.0..1.0).contains(p))?;
        Ok(Self { probability: probability.ok_or_else(|| table.missing("probability", expected))? })
    }
}

impl Layer for Drop {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("probability", format!("{:?}", self.probability))]
    }

    fn validate(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.probability) {
            let cause = format!("a probability of {}", self.probability);
            return Err(Error::new(Kind::Usage, cause, "give a share from 0 to below 1, such as --dropout 0.1"));
        }
        Ok(())
    }

    fn declare(&self, _declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        Ok(row.clone())
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        let layer = pass.next_random();
        match pass.training.filter(|_| self.probability > 0.0) {
            Some(seed) => {
                let op = DropoutOp { seed, layer, probability: self.probability };
                nn::dropout(pass.graph, x, pass.counters, op)
            }
            None => Ok(x),
        }
    }
}
