//! Models: layers for rows of a known shape, with their tensors.

use super::builder::{Declared, Init, ModelBuilder, PassMode, Signal, Signature, Tensor, TensorSlots};
use super::{MlpConfig, ModelConfig, Normalization};
use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Value};
use crate::plan::Memory;
use crate::shape::Shape;
use std::collections::BTreeMap;

/// The slot of a plan, and the tensor of a model file, that hold what inputs are normalized by.
pub const NORMALIZATION: &str = "normalisation";

/// A model: its layers, for a given row shape and number of outputs, and the tensors they declared.
#[derive(Clone, Debug)]
pub struct Model {
    config: ModelConfig,
    widths: Vec<usize>,
    signature: Signature,
    declared: Declared,
}

impl ModelConfig {
    /// The model for flat rows of `inputs` elements and `outputs` outputs, such as one per class.
    ///
    /// # Errors
    /// Those of [`Self::build_for`].
    pub fn build(self, inputs: usize, outputs: usize) -> Result<Model> {
        self.build_for(Signature::flat(inputs, outputs))
    }

    /// The model for these inputs and outputs.
    ///
    /// # Errors
    /// If a layer does not accept the previous one's output, the last has the wrong number of outputs, or a size
    /// exceeds the device's 32-bit indices.
    pub fn build_for(self, signature: Signature) -> Result<Model> {
        self.validate()?;
        self.loss.check_classes(signature.outputs)?;
        let (mut graph, mut memory) = (Graph::default(), Memory::default());
        let mut b = ModelBuilder::declaring(&mut graph, &mut memory, &signature, self.initializer)?;
        let mut x = b.first_input(&signature)?;
        let mut widths = vec![b.row(x).elements()?];
        for layer in &self.layers {
            x = layer.build(&mut b, x)?;
            let width = b.row(x).elements()?;
            // A layer of the same width counts if it learns: 10-10-10 has two.
            if layer.layer.kind() == "linear" || widths.last() != Some(&width) {
                widths.push(width);
            }
        }
        let (row, outputs) = (b.row(x), signature.outputs);
        if row != Shape::from([outputs]) {
            let place = self.layers.last().map_or("the model", |last| last.place.as_str());
            return Err(Error::new(
                Kind::Model,
                format!("{place}: the last layer makes rows of {row}, expected [{outputs}], one number for each class"),
                "end with `{ kind = \"linear\" }`",
            ));
        }
        let declared = b.into_declared();
        Model::new(self, widths, signature, declared)
    }
}

impl Model {
    /// A model of validated layers with their declarations.
    ///
    /// # Errors
    /// If a size exceeds the device's 32-bit indices.
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
                    "use smaller hidden layers",
                ));
            }
        }
        Ok(model)
    }

    /// The classic perceptron with these widths: input, hidden layers, classes.
    ///
    /// # Errors
    /// If a width is zero, there are fewer than two, or a size exceeds the device's 32-bit indices.
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

    /// Its configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its inputs and outputs.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The tensors its layers own.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Adds one way through the layers to a graph: `pass` is what it is for, with the counters of the step and the inputs
    /// by their names; `slots` are those of [`Self::declared`]. Gives what the last layer makes, and the parameters.
    ///
    /// # Errors
    /// If the layers declare other tensors than when the model was built.
    pub fn forward(
        &self,
        graph: &mut Graph,
        memory: &mut Memory,
        pass: (PassMode, Value, BTreeMap<String, Signal>),
        slots: TensorSlots<'_>,
    ) -> Result<(Signal, Vec<Value>)> {
        let owned = (&self.declared, slots);
        let mut b = ModelBuilder::using(graph, memory, pass, owned, (self.signature.outputs, self.config.initializer));
        let x = b.first_input(&self.signature)?;
        let output = self.config.layers.iter().try_fold(x, |x, layer| layer.build(&mut b, x))?;
        Ok((output, b.parameter_values()))
    }

    /// Elements per row of the input, and of each layer that changes their number.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Elements per row of the input.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.signature.outputs
    }

    /// Names and shapes of the parameters: `fc1.weight [784, 1024]`, `fc1.bias [1024]`, and so on.
    pub fn tensors(&self) -> Vec<(String, Shape)> {
        listed(&self.declared.parameters)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        // Overflow was checked when the model was built.
        self.declared.parameters.iter().filter_map(|tensor| tensor.shape.elements().ok()).sum()
    }

    /// Names and shapes of the running state: `bn1.running_mean [1024]`, and so on.
    pub fn running_state(&self) -> Vec<(String, Shape)> {
        listed(&self.declared.running_state)
    }

    /// Names and shapes of all that a model file holds of it: the parameters, the running state, and [`NORMALIZATION`].
    pub fn state(&self) -> Vec<(String, Shape)> {
        let normalization = (NORMALIZATION.to_owned(), Shape::from([2]));
        self.tensors().into_iter().chain(self.running_state()).chain([normalization]).collect()
    }

    /// What each class counts in the loss, where it takes weights: for the slot of that name.
    ///
    /// # Errors
    /// None for a model that was built: its weights were checked then.
    pub fn class_weights(&self) -> Result<Option<Vec<f32>>> {
        self.config.loss.weights(self.classes())
    }

    /// Initial values, in the order of [`Self::state`].
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let initial = |(number, tensor): (usize, &Tensor)| match (tensor.init, tensor.shape.extents()) {
            (Init::Drawn(initializer), &[fan_in, fan_out]) => initializer.draw(seed, number, [fan_in, fan_out]),
            (Init::Drawn(initializer), extents) => initializer.draw(seed, number, [1, extents.iter().product()]),
            (Init::Constant(first), extents) => vec![first; extents.iter().product()],
        };
        let Declared { parameters, running_state } = &self.declared;
        let tensors = parameters.iter().chain(running_state).enumerate().map(initial);
        tensors.chain([Normalization::UNIT.to_vec()]).collect()
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
