//! Model files: the weights as safetensors.

use crate::error::{Error, Kind, Result};
use crate::nn::{Mlp, Recipe};
use crate::shape::Shape;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::path::Path;

/// Keys of the file's metadata.
const FORMAT: &str = "format";
const ACTIVATION: &str = "activation";
const LOSS: &str = "loss";

/// A trained perceptron, as read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Its layers.
    pub model: Mlp,
    /// Its parameters, in the order of [`Mlp::tensors`].
    pub weights: Vec<Vec<f32>>,
}

impl ModelFile {
    /// Writes tensors to `path`, under another name until all of it is there.
    pub fn write(path: &Path, recipe: &Recipe, tensors: &[(String, Shape, Vec<f32>)]) -> Result<()> {
        let refuse = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Io, format!("cannot write {}: {error}", path.display()), "choose another --out folder")
        };
        let views = tensors.iter().map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.extents().to_vec(), bytes).map_err(|e| refuse(&e))?))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        // What it takes to run the layers, and to score them as they were trained.
        let about = [
            (FORMAT, "shadegrad mlp".to_owned()),
            (ACTIVATION, recipe.activation.to_string()),
            (LOSS, recipe.objective.to_string()),
        ];
        let about = about.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        let bytes = safetensors::serialize(views, Some(about)).map_err(|e| refuse(&e))?;
        let partial = path.with_extension("partial");
        std::fs::write(&partial, bytes).map_err(|error| Error::io("write", &partial, &error))?;
        std::fs::rename(&partial, path).map_err(|error| Error::io("write", path, &error))
    }

    /// Reads the layers `fc1`, `fc2`, ... from a safetensors file.
    ///
    /// # Errors
    /// Where the file cannot be read, is damaged, or does not hold a perceptron: names what was expected and found.
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
        let tensor = |name: String| {
            let view =
                file.tensor(&name).map_err(|_| refuse(format!("no tensor `{name}`, found {:?}", file.names())))?;
            match view.dtype() {
                Dtype::F32 => Ok((view.shape().to_vec(), bytemuck::pod_collect_to_vec::<u8, f32>(view.data()))),
                other => Err(refuse(format!("`{name}` is {other:?}, expected F32"))),
            }
        };
        let (mut widths, mut weights) = (Vec::<usize>::new(), Vec::new());
        for layer in 1..=(file.len() / 2).max(1) {
            let (shape, values) = tensor(format!("fc{layer}.weight"))?;
            let &[inputs, outputs] = shape.as_slice() else {
                return Err(refuse(format!("`fc{layer}.weight` has shape {shape:?}, expected two extents")));
            };
            let expected = *widths.last().unwrap_or(&inputs);
            if inputs != expected {
                return Err(refuse(format!("`fc{layer}.weight` has shape {shape:?}, expected [{expected}, _]")));
            }
            let (bias_shape, bias) = tensor(format!("fc{layer}.bias"))?;
            if bias_shape != [outputs] {
                return Err(refuse(format!("`fc{layer}.bias` has shape {bias_shape:?}, expected [{outputs}]")));
            }
            if let Some(i) = values.iter().chain(&bias).position(|x| !x.is_finite()) {
                return Err(refuse(format!("number {i} of layer fc{layer} is not finite")));
            }
            if layer == 1 {
                widths.push(inputs);
            }
            widths.push(outputs);
            weights.extend([values, bias]);
        }
        if file.len() != weights.len() {
            return Err(refuse(format!("{} tensors, expected a weight and a bias for each layer", file.len())));
        }
        let recipe = recipe(&bytes).map_err(|error| refuse(error.cause().to_owned()))?;
        let model = Mlp::new(widths).map_err(|error| refuse(error.cause().to_owned()))?.with_recipe(recipe);
        Ok(Self { model, weights })
    }
}

/// Activation and loss from a file's metadata; where it names none, the classic ones.
fn recipe(bytes: &[u8]) -> Result<Recipe> {
    let mut recipe = Recipe::default();
    let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, metadata)| metadata.metadata().clone());
    let named = |key: &str| metadata.as_ref().and_then(|metadata| metadata.get(key));
    if let Some(activation) = named(ACTIVATION) {
        recipe.activation = activation.parse()?;
    }
    if let Some(loss) = named(LOSS) {
        recipe.objective = loss.parse()?;
    }
    Ok(recipe)
}
