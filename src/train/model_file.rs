//! Trained models as safetensors, with the layers in the metadata.

use crate::data::Dropped;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::Table;
use crate::nn::{Blueprint, Model};
use crate::shape::Shape;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

/// Keys of the file's metadata.
mod key {
    pub(super) const FORMAT: &str = "format";
    /// The layers as TOML.
    pub(super) const MODEL: &str = "model";
    /// Pixels of an image.
    pub(super) const INPUTS: &str = "inputs";
    /// Classes.
    pub(super) const CLASSES: &str = "classes";
    /// Training images that were left out, and why.
    pub(super) const DROPPED: &str = "dropped";
}

/// A trained model, as read from a file.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// Its layers.
    pub model: Model,
    /// Its parameters and statistics, in the order of [`Model::state`].
    pub weights: Vec<Vec<f32>>,
}

impl ModelFile {
    /// Writes a model's tensors to `path`, under another name until all of it is there. `dropped` says which images it
    /// was not trained on.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(path: &Path, model: &Model, tensors: &[(String, Shape, Vec<f32>)], dropped: &[Dropped]) -> Result<()> {
        let refuse = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Io, format!("cannot write {}: {error}", path.display()), "choose another --out folder")
        };
        let views = tensors.iter().map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.extents().to_vec(), bytes).map_err(|e| refuse(&e))?))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        // What it takes to run the layers, and to score them as they were trained.
        let mut about = vec![
            (key::FORMAT, "shadegrad model".to_owned()),
            (key::MODEL, model.blueprint().to_toml()),
            (key::INPUTS, model.inputs().to_string()),
            (key::CLASSES, model.classes().to_string()),
        ];
        if !dropped.is_empty() {
            let dropped: Vec<_> = dropped.iter().map(|d| format!("{} {}", d.images, d.flaw)).collect();
            about.push((key::DROPPED, dropped.join(", ")));
        }
        let about = about.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let bytes = safetensors::serialize(views, Some(about)).map_err(|e| refuse(&e))?;
        let partial = path.with_extension("partial");
        std::fs::write(&partial, bytes).map_err(|error| Error::io("write", &partial, &error))?;
        std::fs::rename(&partial, path).map_err(|error| Error::io("write", path, &error))
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or does not hold a model: names what was expected and found.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(
                Kind::Model,
                format!("cannot read {}: {error}", path.display()),
                "give a file that `train --out` wrote",
            )
        })?;
        let refuse = |what: String| {
            Error::new(
                Kind::Model,
                format!("{}: {what}", path.display()),
                "give a model.safetensors that `train --out` wrote",
            )
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| refuse(format!("not safetensors: {error}")))?;
        let model = described(&bytes).map_err(|error| refuse(error.cause().to_owned()))?;
        let state = model.state();
        let mut weights = Vec::with_capacity(state.len());
        for (_, name, shape) in &state {
            let view =
                file.tensor(name).map_err(|_| refuse(format!("no tensor `{name}`, found {:?}", file.names())))?;
            if (view.dtype(), view.shape()) != (Dtype::F32, shape.extents()) {
                let found = format!("{:?} {:?}", view.dtype(), view.shape());
                return Err(refuse(format!("`{name}` is {found}, expected F32 {shape}")));
            }
            let values: Vec<f32> = bytemuck::pod_collect_to_vec::<u8, f32>(view.data());
            if let Some(i) = values.iter().position(|x| !x.is_finite()) {
                return Err(refuse(format!("number {i} of `{name}` is not finite")));
            }
            weights.push(values);
        }
        if file.len() != state.len() {
            return Err(refuse(format!("{} tensors, expected {} for {model}", file.len(), state.len())));
        }
        Ok(Self { model, weights })
    }
}

/// The model that a file's metadata describe.
fn described(bytes: &[u8]) -> Result<Model> {
    let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, metadata)| metadata.metadata().clone());
    let missing = |key: &str| Error::new(Kind::Model, format!("its metadata have no `{key}`"), "");
    let text = |key: &str| metadata.as_ref().and_then(|all| all.get(key)).ok_or_else(|| missing(key));
    let count = |key: &str| text(key)?.parse::<usize>().map_err(|_| missing(key));
    let mut table = Table::parse("its layers", text(key::MODEL)?)?;
    let blueprint = Blueprint::read(&mut table)?;
    table.finish()?;
    blueprint.build(count(key::INPUTS)?, count(key::CLASSES)?)
}
