use super::{Begins, Declarations, Layer, Pass, width};
use crate::error::{Error, Kind, Result};
use crate::graph::Value;
use crate::nn::toml::Table;
use crate::nn::{self, Initialiser};
use crate::ops::matmul::{Operands, product};
use crate::shape::Shape;

/// x W + b: rows `[k]` become rows `[outputs]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// How wide its rows are; without it, one for each class.
    pub outputs: Option<usize>,
    /// Whether there is a b. A norm that follows makes it superfluous.
    pub bias: bool,
    /// How W begins; without it as the model says.
    pub initialiser: Option<Initialiser>,
}

impl Linear {
    /// With a bias.
    pub fn new(outputs: Option<usize>) -> Self {
        Self { outputs, bias: true, initialiser: None }
    }

    pub(super) fn read(table: &mut Table<'_>) -> Result<Self> {
        Ok(Self {
            outputs: table.take_valid("outputs", "a whole number above 0", |&outputs| outputs > 0)?,
            bias: table.take("bias")?.unwrap_or(true),
            initialiser: table.take_named("initialiser")?,
        })
    }
}

impl Layer for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let outputs = self.outputs.map(|outputs| ("outputs", outputs.to_string()));
        let bias = (!self.bias).then(|| ("bias", "false".to_owned()));
        let initialiser = self.initialiser.map(|initialiser| ("initialiser", format!("\"{initialiser}\"")));
        [outputs, bias, initialiser].into_iter().flatten().collect()
    }

    fn validate(&self) -> Result<()> {
        if self.outputs == Some(0) {
            let advice = "give sizes of 1 or more, such as --hidden 512,256";
            return Err(Error::new(Kind::Usage, "a width of 0: 0 is no size", advice));
        }
        Ok(())
    }

    fn declare(&self, declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        let (k, n) = (width(row)?, self.outputs.unwrap_or(declared.classes));
        declared.begin("fc");
        let initialiser = self.initialiser.unwrap_or(declared.initialiser);
        declared.parameter("weight", [k, n], Begins::Drawn(initialiser));
        if self.bias {
            declared.parameter("bias", [n], Begins::Constant(0.0));
        }
        Ok(Shape::from([n]))
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        pass.begin("fc");
        let weight = pass.parameter()?;
        if self.bias {
            let bias = pass.parameter()?;
            nn::linear(pass.graph, x, weight, bias)
        } else {
            product(pass.graph, Operands::NN, x, weight)
        }
    }
}
