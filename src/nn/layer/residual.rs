use super::definition::Layer;
use super::placed::Placed;
use crate::error::{Error, Kind, Result};
use crate::nn::{ModelBuilder, Signal};
use crate::ops::elementwise::add::AddOp;

/// x + layers(x), as [`crate::nn::residual`].
#[derive(Clone, Debug)]
pub struct Residual {
    /// The layers of the branch, whose output must have the shape of its input.
    pub layers: Vec<Placed>,
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

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let branch = self.layers.iter().try_fold(x, |x, layer| layer.build(b, x))?;
        let (row, end) = (b.row(x), b.row(branch));
        if end != row {
            let cause = format!("its layers make rows of {end} out of rows of {row}, expected the same shape");
            return Err(Error::new(Kind::Model, cause, "let its last layer give rows as wide as those that it takes"));
        }
        Ok(x.with(b.graph.apply(AddOp, &[x.value, branch.value])?))
    }
}
