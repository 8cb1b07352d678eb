use super::definition::Layer;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::TomlTable;
use crate::nn::{self, Init, Initializer, ModelBuilder, Signal};
use crate::ops::matmul::{Operands, product};

/// x W + b: rows `[k]` become rows `[outputs]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// Number of outputs; by default as many as the task needs.
    pub outputs: Option<usize>,
    /// Whether there is a bias. A following norm makes it redundant.
    pub bias: bool,
    /// Initializer of W; by default the model's.
    pub initializer: Option<Initializer>,
}

impl Linear {
    /// With a bias.
    pub fn new(outputs: Option<usize>) -> Self {
        Self { outputs, bias: true, initializer: None }
    }

    pub(super) fn read(table: &mut TomlTable<'_>) -> Result<Self> {
        Ok(Self {
            outputs: table.take_valid("outputs", "a whole number above 0", |&outputs| outputs > 0)?,
            bias: table.take("bias")?.unwrap_or(true),
            initializer: table.take_named("initialiser")?,
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
        let initializer = self.initializer.map(|initializer| ("initialiser", format!("\"{initializer}\"")));
        [outputs, bias, initializer].into_iter().flatten().collect()
    }

    fn validate(&self) -> Result<()> {
        if self.outputs == Some(0) {
            let advice = "use widths of 1 or more, such as --hidden 512,256";
            return Err(Error::new(Kind::Usage, "layer width must be at least 1", advice));
        }
        Ok(())
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let (k, n) = (b.width(x)?, self.outputs.unwrap_or(b.outputs()));
        b.begin("fc");
        let weight = b.parameter("weight", [k, n], Init::Drawn(self.initializer.unwrap_or(b.initializer())))?;
        let out = if self.bias {
            let bias = b.parameter("bias", [n], Init::Constant(0.0))?;
            nn::linear(b.graph, x.value, weight, bias)?
        } else {
            product(b.graph, Operands::NN, x.value, weight)?
        };
        Ok(x.with(out))
    }
}
