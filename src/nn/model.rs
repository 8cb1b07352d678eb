//! Models: layers for rows of a known shape, and what they own.

use super::builder::{Declared, Init, Tensor};
use super::{MlpConfig, ModelBuilder, ModelConfig, Normalisation, Signal, Signature};
use crate::error::{Error, Kind, Result};
use crate::shape::Shape;

/// The slot of a plan, and the tensor of a model file, that hold what inputs are normalised by.
pub const NORMALISATION: &str = "normalisation";

/// A model: its layers, for rows of a known shape and a known number of outputs, and the tensors that they declared.
#[derive(Clone, Debug)]
pub struct Model {
    config: ModelConfig,
    widths: Vec<usize>,
    signature: Signature,
    declared: Declared,
}

impl Model {
    /// A model of checked layers, which have declared what they own.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices.
    pub(super) fn new(
        config: ModelConfig,
        widths: Vec<usize>,
        signature: Signature,
        declared: Declared,
    ) -> Result<Self> {
        let model = Self { config, widths, signature, declared };
        // Each tensor is bound whole. All of them together need only be counted: an arena is bound in windows.
        let bytes = |tensor: &Tensor| tensor.shape.elements().ok()?.checked_mul(4)?.checked_next_multiple_of(256);
        let mut total = Some(0usize);
        for tensor in &model.declared.parameters {
            let bytes = bytes(tensor);
            total = total.and_then(|total| total.checked_add(bytes?));
            if total.is_none() || bytes.is_none_or(|bytes| u32::try_from(bytes).is_err()) {
                let needed = bytes.map_or("more than 2^64".to_owned(), |bytes| bytes.to_string());
                return Err(Error::new(
                    Kind::Device,
                    format!(
                        "{} {} of {model} needs {needed} bytes, an adapter can address {} at once",
                        tensor.name,
                        tensor.shape,
                        u32::MAX
                    ),
                    "make the hidden layers smaller",
                ));
            }
        }
        Ok(model)
    }

    /// The classic perceptron of these widths: input, hidden layers, classes.
    ///
    /// # Errors
    /// Where a width is zero, there are fewer than two, or a size does not fit the device's 32-bit indices.
    pub fn mlp(widths: impl AsRef<[usize]>) -> Result<Self> {
        match widths.as_ref() {
            [inputs, hidden @ .., classes] if !widths.as_ref().contains(&0) => {
                ModelConfig::mlp(hidden, &MlpConfig::default()).build(*inputs, *classes)
            }
            widths => Err(Error::new(
                Kind::Usage,
                format!("a model of widths {widths:?}: every layer needs a width above 0"),
                "give positive sizes, such as --hidden 1024 or --hidden 512,256",
            )),
        }
    }

    /// What it is made of.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What its layers own.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// One way through the layers, from the first input on.
    ///
    /// # Errors
    /// Where the layers own other tensors than when the model was built.
    pub fn forward(&self, b: &mut ModelBuilder<'_>) -> Result<Signal> {
        let x = b.first_input(&self.signature)?;
        self.config.layers.iter().try_fold(x, |x, layer| layer.build(b, x))
    }

    /// Elements of a row of the input, and of those of each layer that changes them.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Elements of a row of the input.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Classes that it tells apart.
    pub fn classes(&self) -> usize {
        self.signature.outputs
    }

    /// Names and shapes of the parameters: `fc1.weight [784, 1024]`, `fc1.bias [1024]`, and so on.
    pub fn tensors(&self) -> Vec<(String, Shape)> {
        listed(&self.declared.parameters)
    }

    /// How many numbers the model learns.
    pub fn parameters(&self) -> usize {
        // That they can be counted was checked when the model was made.
        self.declared.parameters.iter().filter_map(|tensor| tensor.shape.elements().ok()).sum()
    }

    /// Names and shapes of what it keeps of the batches seen: `bn1.running_mean [1024]`, and so on.
    pub fn running_state(&self) -> Vec<(String, Shape)> {
        listed(&self.declared.running_state)
    }

    /// Names and shapes of all that a model file holds of it: the parameters, the running state, and [`NORMALISATION`].
    pub fn state(&self) -> Vec<(String, Shape)> {
        let normalization = (NORMALISATION.to_owned(), Shape::from([2]));
        self.tensors().into_iter().chain(self.running_state()).chain([normalization]).collect()
    }

    /// What each class counts in the loss, where it takes weights: for the slot of that name.
    ///
    /// # Errors
    /// None for a model that was built: its weights were counted then.
    pub fn class_weights(&self) -> Result<Option<Vec<f32>>> {
        self.config.loss.weights(self.classes())
    }

    /// Initial values in the order of [`Self::state`].
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let initial = |(number, tensor): (usize, &Tensor)| match (tensor.init, tensor.shape.extents()) {
            (Init::Drawn(initializer), &[fan_in, fan_out]) => initializer.draw(seed, number, [fan_in, fan_out]),
            (Init::Drawn(initializer), extents) => initializer.draw(seed, number, [1, extents.iter().product()]),
            (Init::Constant(first), extents) => vec![first; extents.iter().product()],
        };
        let Declared { parameters, running_state } = &self.declared;
        let tensors = parameters.iter().chain(running_state).enumerate().map(initial);
        tensors.chain([Normalisation::UNIT.to_vec()]).collect()
    }
}

fn listed(tensors: &[Tensor]) -> Vec<(String, Shape)> {
    tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect()
}

/// Its widths, such as `784-1024-10`.
impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<_> = self.widths.iter().map(usize::to_string).collect();
        f.write_str(&widths.join("-"))
    }
}
