//! The kinds of layers, one file each.

mod activate;
mod affine;
mod batch_norm;
mod definition;
mod dropout;
mod flatten;
mod layer_norm;
mod linear;
mod placed;
mod reshape;
mod residual;

pub use activate::Activate;
pub use batch_norm::BatchNorm;
pub use definition::Layer;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use placed::Placed;
pub use reshape::Reshape;
pub use residual::Residual;

use super::Activation;
use super::toml::TomlTable;
use crate::error::Result;
use std::sync::Arc;

/// Reads a layer of one kind.
type ReadLayer = fn(&mut TomlTable<'_>) -> Result<Arc<dyn Layer>>;

/// All kinds of layers except activations, which are read by name.
const KINDS: [(&str, ReadLayer); 7] = [
    ("linear", |table| Ok(Arc::new(Linear::read(table)?))),
    ("batch_norm", |_| Ok(Arc::new(BatchNorm))),
    ("layer_norm", |_| Ok(Arc::new(LayerNorm))),
    ("dropout", |table| Ok(Arc::new(Dropout::read(table)?))),
    ("residual", |table| Ok(Arc::new(Residual { layers: read_all(table)? }))),
    ("flatten", |_| Ok(Arc::new(Flatten))),
    ("reshape", |table| Ok(Arc::new(Reshape::read(table)?))),
];

/// Reads a layer from a table with its `kind` and settings.
///
/// # Errors
/// If there is no such kind, or a setting is missing, unknown or invalid; reports its location.
fn read(mut table: TomlTable<'_>) -> Result<Placed> {
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
    Ok(Placed { layer, place })
}

/// Reads a list of layers.
///
/// # Errors
/// Where there is no list, no such kind, or a setting is missing, unknown, or cannot be used: gives its place.
pub fn read_all(table: &mut TomlTable<'_>) -> Result<Vec<Placed>> {
    table.take_tables("layers")?.into_iter().map(read).collect()
}
