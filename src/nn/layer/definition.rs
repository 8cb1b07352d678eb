//! What a layer is.

use crate::error::Result;
use crate::nn::{ModelBuilder, Signal};
use std::fmt::Debug;

/// A layer: what it owns, and what it does to a batch. A batch of rows of shape `[a, b]` is a value `[batch, a, b]`. A layer
/// of your own implements this and nothing else: `tests/builder.rs` has some.
pub trait Layer: Debug + Send + Sync {
    /// The name of its kind in model files.
    fn kind(&self) -> &'static str;

    /// Its settings, as keys of a model file and TOML values.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Checks its settings, which is possible before it is known what it will be given.
    ///
    /// # Errors
    /// Names the first that cannot be used, and what could.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Adds what it does to the graph, declaring what it owns where it uses it. It is called once when the model is
    /// built, and once for each section of a plan.
    ///
    /// # Errors
    /// Where it does not take such rows: names the shape expected and found.
    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal>;
}
