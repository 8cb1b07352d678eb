//! Trained models as safetensors, with the layers in the metadata.

use crate::data::Dropped;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::TomlTable;
use crate::nn::{Model, ModelConfig, NORMALIZATION, Normalization};
use crate::shape::Shape;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

/// The metadata key with the layers and everything else about the model, as TOML. There is only one, since the order of
/// several would vary from file to file.
const MODEL: &str = "shadegrad";

/// The format number written. It increases when older programs would misread a file. Format 0, without a number, has
/// the same keys and tensors as 1.
const FORMAT: usize = 1;

const NOT_A_MODEL: &str = "use a model.safetensors written by `train --out`";

/// A trained model loaded from a file.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// Its layers.
    pub model: Model,
    /// Its parameters, running state and normalization, in the order of [`Model::state`].
    pub weights: Vec<Vec<f32>>,
}

impl ModelFile {
    /// Writes a model's tensors to `path`, under another name until all of it is there. `dropped` says which items it
    /// was not trained on.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(path: &Path, model: &Model, tensors: &[(String, Shape, Vec<f32>)], dropped: &[Dropped]) -> Result<()> {
        let bytes = Self::encode(model, tensors, dropped).map_err(|error| {
            let cause = format!("cannot write {}: {error}", path.display());
            Error::new(error.kind(), cause, error.advice())
        })?;
        let partial = path.with_extension("partial");
        std::fs::write(&partial, bytes).map_err(|error| Error::io("write", &partial, &error))?;
        std::fs::rename(&partial, path).map_err(|error| Error::io("write", path, &error))
    }

    /// The bytes written by [`Self::write`].
    ///
    /// # Errors
    /// If a tensor's length does not match its shape.
    pub fn encode(model: &Model, tensors: &[(String, Shape, Vec<f32>)], dropped: &[Dropped]) -> Result<Vec<u8>> {
        let refuse = |error| Error::new(Kind::Usage, format!("{error}"), "pass the tensors that the model declares");
        let views = tensors.iter().map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.extents().to_vec(), bytes).map_err(refuse)?))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        // Everything needed to run the layers and score them as trained.
        let mut about = format!("format = {FORMAT}\ninputs = {}\nclasses = {}\n", model.inputs(), model.classes());
        if !dropped.is_empty() {
            let dropped: Vec<_> = dropped.iter().map(|d| format!("{} {}", d.items, d.flaw)).collect();
            about += &format!("dropped = \"{}\"\n", dropped.join(", "));
        }
        about += &model.config().to_toml();
        let about = [(MODEL.to_owned(), about)].into_iter().collect();
        safetensors::serialize(views, Some(about)).map_err(refuse)
    }

    /// Reads what [`Self::write`] wrote. Where there is no normalization, inputs are taken from 0 to 1.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or does not contain a model; reports expected and found.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(
                Kind::Model,
                format!("cannot read {}: {error}", path.display()),
                "use a file written by `train --out`",
            )
        })?;
        Self::decode(&bytes)
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display()), error.advice()))
    }

    /// Parses the bytes of a file written by [`Self::write`].
    ///
    /// # Errors
    /// If they are damaged, in a newer format, or do not contain a model; reports expected and found.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let refuse = |what: String| Error::new(Kind::Model, what, NOT_A_MODEL);
        let file = SafeTensors::deserialize(bytes).map_err(|error| refuse(format!("not safetensors: {error}")))?;
        let model = described(bytes)?;
        let state = model.state();
        let mut weights = Vec::with_capacity(state.len());
        let (mut expected, found) = (state.len(), file.names());
        for (name, shape) in &state {
            if name == NORMALIZATION && !found.contains(&name.as_str()) {
                weights.push(Normalization::UNIT.to_vec());
                expected -= 1;
                continue;
            }
            let view = file.tensor(name).map_err(|_| refuse(format!("no tensor `{name}`, found {found:?}")))?;
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
        if file.len() != expected {
            return Err(refuse(format!("{} tensors, expected {expected} for {model}", file.len())));
        }
        Ok(Self { model, weights })
    }
}

/// The model described by a file's metadata.
fn described(bytes: &[u8]) -> Result<Model> {
    let refuse = |error: Error| Error::new(Kind::Model, error.cause(), NOT_A_MODEL);
    let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, metadata)| metadata.metadata().clone());
    let text = metadata.as_ref().and_then(|all| all.get(MODEL));
    let missing = || Error::new(Kind::Model, format!("metadata lacks `{MODEL}` (layers)"), NOT_A_MODEL);
    let mut table = TomlTable::parse("its layers", text.ok_or_else(missing)?).map_err(refuse)?;
    let format = table.take::<usize>("format").map_err(refuse)?.unwrap_or(0);
    if format > FORMAT {
        let cause = format!("model file format {format}, expected {FORMAT} or older");
        return Err(Error::new(Kind::Model, cause, "update shadegrad: a newer version wrote this file"));
    }
    described_model(table).map_err(refuse)
}

fn described_model(mut table: TomlTable<'_>) -> Result<Model> {
    let mut count = |key| table.take::<usize>(key)?.ok_or_else(|| table.missing(key, "a whole number"));
    let (inputs, classes) = (count("inputs")?, count("classes")?);
    table.take::<String>("dropped")?;
    let blueprint = ModelConfig::read(&mut table)?;
    table.finish()?;
    blueprint.build(inputs, classes)
}
