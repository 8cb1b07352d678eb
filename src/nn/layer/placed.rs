//! Layers of a model, each with the place where it was asked for.

use super::definition::Layer;
use crate::error::{Error, Result};
use crate::nn::{ModelBuilder, Signal};
use std::sync::Arc;

/// A layer with its source location, the prefix of its errors.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The layer.
    pub layer: Arc<dyn Layer>,
    /// Such as `layer 3` or `model.toml:7:3`.
    pub place: String,
}

impl Placed {
    /// The layer as a TOML table.
    pub fn to_toml(&self) -> String {
        let settings = self.layer.settings().into_iter().map(|(key, value)| format!(", {key} = {value}"));
        format!("{{ kind = \"{}\"{} }}", self.layer.kind(), settings.collect::<String>())
    }

    /// [`Layer::build`], with the location in errors.
    ///
    /// # Errors
    /// The layer's.
    pub fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        self.layer.build(b, x).map_err(|error| self.at(&error))
    }

    /// [`Layer::validate`], with the location in errors.
    ///
    /// # Errors
    /// The layer's.
    pub fn validate(&self) -> Result<()> {
        self.layer.validate().map_err(|error| self.at(&error))
    }

    fn at(&self, error: &Error) -> Error {
        let cause = format!("{}: {}: {}", self.place, self.layer.kind(), error.cause());
        Error::new(error.kind(), cause, error.advice())
    }
}
