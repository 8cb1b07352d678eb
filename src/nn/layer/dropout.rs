use super::definition::Layer;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::TomlTable;
use crate::nn::{self, ModelBuilder, PassMode, Signal};
use crate::ops::elementwise::dropout::DropoutOp;

/// Dropout: zeroes random elements in training, the identity in evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The fraction of elements dropped, 0 to <1.
    pub probability: f64,
}

impl Dropout {
    pub(super) fn read(table: &mut TomlTable<'_>) -> Result<Self> {
        let expected = "a number from 0 to below 1";
        let probability = table.take_valid("probability", expected, |p| (0.0..1.0).contains(p))?;
        Ok(Self { probability: probability.ok_or_else(|| table.missing("probability", expected))? })
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &'static str {
        "dropout"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("probability", format!("{:?}", self.probability))]
    }

    fn validate(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.probability) {
            let cause = format!("dropout probability {} is out of range", self.probability);
            return Err(Error::new(Kind::Usage, cause, "use 0 to <1, such as --dropout 0.1"));
        }
        Ok(())
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        // Counted in both modes, so that a layer always has the same number.
        let layer = b.next_random();
        match b.mode() {
            PassMode::Train { seed } if self.probability > 0.0 => {
                let (counters, op) = (b.counters(), DropoutOp { seed, layer, probability: self.probability });
                Ok(x.with(nn::dropout(b.graph, x.value, counters, op)?))
            }
            _ => Ok(x),
        }
    }
}
