//! What a layer is.

use crate::error::Result;
use crate::nn::{ModelBuilder, Signal};
use std::fmt::Debug;

/// A layer: what it owns, and what it does to a batch. A batch of rows of shape `[a, b]` is a value `[batch, a, b]`. A layer
/// of your own implements this and nothing else: `tests/builder.rs` has some.
pub trait Layer: Debug + Send + Sync {
    /// The name of its kind in model files.
    fn kind(&self) -> &'static str;

    /// Its settings, as keys and TOML values of a model file.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Checks its settings before its input is known.
    ///
    /// # Errors
    /// If a setting is invalid; names the first, and valid values.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Adds the layer to the graph, declaring owned tensors where they are used. Called once when the model is built,
    /// and once per section of a plan.
    ///
    /// # Errors
    /// If it does not accept such rows; reports the expected and actual shape.
    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal>;
}
