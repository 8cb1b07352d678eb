//! The kinds of layers that a model is a list of, each in its file.

mod activate;
mod batch_norm;
mod dropout;
mod flatten;
mod layer_norm;
mod linear;
mod reshape;
mod residual;

pub use activate::Activate;
pub use batch_norm::BatchNorm;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use reshape::Reshape;
pub use residual::Residual;

use super::toml::Table;
use super::{Activation, Init, ModelBuilder, Signal};
use crate::error::{Error, Result};
use crate::graph::Value;
use std::fmt::Debug;
use std::sync::Arc;

/// A layer: what it owns, and what it does to a batch. A batch of rows of shape `[a, b]` is a value `[batch, a, b]`. A layer
/// of your own implements this and nothing else: `tests/models.rs` has one.
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

/// Reads the layer of one kind.
type Read = fn(&mut Table<'_>) -> Result<Arc<dyn Layer>>;

/// Every kind of layer but the activations, which are read by their own names.
const KINDS: [(&str, Read); 7] = [
    ("linear", |table| Ok(Arc::new(Linear::read(table)?))),
    ("batch_norm", |_| Ok(Arc::new(BatchNorm))),
    ("layer_norm", |_| Ok(Arc::new(LayerNorm))),
    ("dropout", |table| Ok(Arc::new(Dropout::read(table)?))),
    ("residual", |table| Ok(Arc::new(Residual::read(table)?))),
    ("flatten", |_| Ok(Arc::new(Flatten))),
    ("reshape", |table| Ok(Arc::new(Reshape::read(table)?))),
];

/// A layer, and where it was asked for: what an error about it begins with.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The layer.
    pub layer: Arc<dyn Layer>,
    /// Such as `layer 3` or `model.toml:7:3`.
    pub place: String,
}

impl Placed {
    /// Reads a layer from a table with its `kind` and its settings.
    ///
    /// # Errors
    /// Where there is no such kind, or a setting is missing, unknown, or cannot be used: gives its place.
    pub fn read(mut table: Table<'_>) -> Result<Self> {
        let names = || {
            let kinds = KINDS.iter().map(|(name, _)| (*name).to_owned());
            kinds.chain(Activation::all().map(|function| function.to_string())).collect::<Vec<_>>().join(", ")
        };
        let place = table.place();
        let kind: String = table.take("kind")?.ok_or_else(|| table.missing("kind", &format!("one of {}", names())))?;
        let layer: Arc<dyn Layer> = match KINDS.iter().find(|(name, _)| *name == kind) {
            Some((_, read)) => read(&mut table)?,
            None => match kind.parse::<Activation>() {
                Ok(function) => Arc::new(Activate(function)),
                Err(_) => return Err(table.refuse(format!("`kind`: expected one of {}, found {kind:?}", names()))),
            },
        };
        table.finish()?;
        Ok(Self { layer, place })
    }

    /// Reads a list of layers.
    ///
    /// # Errors
    /// Those of [`Self::read`], and where there is none.
    pub fn read_all(table: &mut Table<'_>) -> Result<Vec<Self>> {
        table.take_tables("layers")?.into_iter().map(Self::read).collect()
    }

    /// The layer as a table of a model file.
    pub fn to_toml(&self) -> String {
        let settings = self.layer.settings().into_iter().map(|(key, value)| format!(", {key} = {value}"));
        format!("{{ kind = \"{}\"{} }}", self.layer.kind(), settings.collect::<String>())
    }

    /// [`Layer::build`], with the place in its errors.
    ///
    /// # Errors
    /// The layer's.
    pub fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        self.layer.build(b, x).map_err(|error| self.at(&error))
    }

    /// [`Layer::validate`], with the place in its errors.
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

/// The parameters of a norm over `n` features: what it multiplies by, and what it adds.
fn scale_and_offset(b: &mut ModelBuilder<'_>, n: usize) -> Result<[Value; 2]> {
    let weight = b.parameter("weight", [n], Init::Constant(1.0))?;
    Ok([weight, b.parameter("bias", [n], Init::Constant(0.0))?])
}
