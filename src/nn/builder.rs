//! Builds graphs from layers: one pass declares the tensors that layers own and uses them.
//!
//! A [`Model`](super::Model) runs the layers once in a graph of a single row, over shapes alone, and keeps what they
//! declared. Each section of a plan runs the same code again, with the slots that the plan has for it.

use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Value, mistake};
use crate::nn::Initializer;
use crate::plan::{Memory, SlotId};
use crate::shape::{DType, Shape, TensorType};
use std::collections::BTreeMap;

/// The value passed from layer to layer: a batch of rows, `[batch, ...]`.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// The rows.
    pub value: Value,
    /// For sequences: the number of valid steps of each row, `[batch]`.
    pub lengths: Option<Value>,
}

impl Signal {
    /// Other rows with the same lengths.
    #[must_use]
    pub fn with(self, value: Value) -> Self {
        Self { value, ..self }
    }
}

/// Rows without lengths.
impl From<Value> for Signal {
    fn from(value: Value) -> Self {
        Self { value, lengths: None }
    }
}

/// The purpose of a pass through the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassMode {
    /// Training: dropout is active, running state is updated.
    Train {
        /// Seed of random layers.
        seed: u64,
    },
    /// Evaluation or inference: deterministic, running state is read-only.
    Evaluate,
}

/// Initial values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Random.
    Drawn(Initializer),
    /// Constant.
    Constant(f32),
}

/// A tensor owned by a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name, such as `fc1.weight`.
    pub name: String,
    /// Its extents.
    pub shape: Shape,
    /// Its initial values.
    pub init: Init,
}

/// The tensors owned by a model's layers, in order of first use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// Learned tensors.
    pub parameters: Vec<Tensor>,
    /// Statistics kept from training batches, such as running means.
    pub running_state: Vec<Tensor>,
}

/// A model's interface: its inputs, and the size of its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name and row type of each input. The first is passed to the first layer.
    pub inputs: Vec<(String, TensorType)>,
    /// Elements of an output row, such as one per class.
    pub outputs: usize,
}

impl Signature {
    /// The name of a single input.
    pub const INPUT: &'static str = "input";

    /// A single input of flat rows.
    pub fn flat(features: usize, outputs: usize) -> Self {
        Self { inputs: vec![(Self::INPUT.to_owned(), TensorType::f32([features]))], outputs }
    }
}

/// The slots of a model's tensors in a plan, in the order of [`Declared`].
#[derive(Clone, Copy, Debug)]
pub struct TensorSlots<'a> {
    /// The parameters.
    pub parameters: &'a [SlotId],
    /// The running state.
    pub running_state: &'a [SlotId],
}

/// Builds the graph of one pass through a model's layers.
#[derive(Debug)]
pub struct ModelBuilder<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    memory: &'a mut Memory,
    mode: PassMode,
    counters: Value,
    inputs: BTreeMap<String, Signal>,
    outputs: usize,
    initializer: Initializer,
    declared: Declared,
    /// Whether a new name declares a tensor, or is an error.
    declares: bool,
    parameters: BTreeMap<String, (usize, Value)>,
    running_state: BTreeMap<String, (usize, SlotId)>,
    stems: BTreeMap<&'static str, usize>,
    layer: String,
    randoms: u32,
}

impl<'a> ModelBuilder<'a> {
    /// A pass that records what layers own, on a single row of each input.
    ///
    /// # Errors
    /// If a row has too many elements.
    pub(super) fn declaring(
        graph: &'a mut Graph,
        memory: &'a mut Memory,
        signature: &Signature,
        initializer: Initializer,
    ) -> Result<Self> {
        let row = |(name, row): &(String, TensorType)| {
            let batch = row.with_shape(Shape::new([&[1], row.extents()].concat()));
            (name.clone(), graph.placeholder(batch).into())
        };
        let inputs = signature.inputs.iter().map(row).collect();
        let counters = graph.placeholder(TensorType::new(DType::U32, [crate::ops::counter::COUNT]));
        let mut builder = Self::empty(graph, memory, PassMode::Train { seed: 0 }, counters);
        (builder.inputs, builder.outputs) = (inputs, signature.outputs);
        (builder.initializer, builder.declares) = (initializer, true);
        Ok(builder)
    }

    /// A pass for a section of a plan of a model that `declared` tensors, which lie where `owned` says.
    pub(super) fn using(
        graph: &'a mut Graph,
        memory: &'a mut Memory,
        (mode, counters, inputs): (PassMode, Value, BTreeMap<String, Signal>),
        (declared, owned): (&Declared, TensorSlots<'_>),
        (outputs, initializer): (usize, Initializer),
    ) -> Self {
        let declared = declared.clone();
        let places = declared.parameters.iter().zip(owned.parameters).enumerate();
        let parameters = places.map(|(i, (tensor, &slot))| (tensor.name.clone(), (i, graph.leaf(memory, slot))));
        let parameters = parameters.collect();
        let places = declared.running_state.iter().zip(owned.running_state).enumerate();
        let running_state = places.map(|(i, (tensor, &slot))| (tensor.name.clone(), (i, slot))).collect();
        let empty = Self::empty(graph, memory, mode, counters);
        Self { inputs, outputs, initializer, declared, parameters, running_state, ..empty }
    }

    fn empty(graph: &'a mut Graph, memory: &'a mut Memory, mode: PassMode, counters: Value) -> Self {
        Self {
            graph,
            memory,
            mode,
            counters,
            inputs: BTreeMap::new(),
            outputs: 0,
            initializer: Initializer::default(),
            declared: Declared::default(),
            declares: false,
            parameters: BTreeMap::new(),
            running_state: BTreeMap::new(),
            stems: BTreeMap::new(),
            layer: String::new(),
            randoms: 0,
        }
    }

    /// The first input of `signature`.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn first_input(&self, signature: &Signature) -> Result<Signal> {
        self.input(signature.inputs.first().map_or("", |(name, _)| name))
    }

    /// The purpose of the pass.
    pub fn mode(&self) -> PassMode {
        self.mode
    }

    /// The step's counters, which contain the number of valid rows: [`crate::ops::counter`].
    pub fn counters(&self) -> Value {
        self.counters
    }

    /// Number of outputs per row that the task needs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The default initializer.
    pub fn initializer(&self) -> Initializer {
        self.initializer
    }

    /// The shape of a row of `x`.
    pub fn row(&self, x: Signal) -> Shape {
        Shape::new(self.graph.shape(x.value).extents().get(1..).unwrap_or_default())
    }

    /// The width of the rows of `x`, which must be one-dimensional.
    ///
    /// # Errors
    /// If they are not one-dimensional.
    pub fn width(&self, x: Signal) -> Result<usize> {
        let row = self.row(x);
        match row.extents() {
            &[width] => Ok(width),
            _ => Err(Error::new(
                Kind::Model,
                format!("rows of shape {row}, expected one dimension"),
                "put a layer of kind flatten before it",
            )),
        }
    }

    /// Starts a layer whose tensors are named after `stem` and a number: `fc1`, `fc2`, and so on. Nodes added from here
    /// on belong to it.
    pub fn begin(&mut self, stem: &'static str) {
        let count = self.stems.entry(stem).or_default();
        *count += 1;
        self.layer = format!("{stem}{count}");
        self.graph.scope(self.layer.clone());
    }

    /// [`Self::begin`] with exactly this name. Layers with the same name share tensors of the same name.
    pub fn begin_shared(&mut self, name: impl Into<String>) {
        self.layer = name.into();
        self.graph.scope(self.layer.clone());
    }

    /// The input with this name.
    ///
    /// # Errors
    /// If there is none; lists the available ones.
    pub fn input(&self, name: &str) -> Result<Signal> {
        self.inputs.get(name).copied().ok_or_else(|| {
            let names: Vec<_> = self.inputs.keys().map(String::as_str).collect();
            Error::new(Kind::Model, format!("no input named `{name}`"), format!("the model has {}", names.join(", ")))
        })
    }

    /// A learned tensor: `name` in the current layer. The same name refers to the same tensor.
    ///
    /// # Errors
    /// If it was declared with another shape or initializer.
    pub fn parameter(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Value> {
        let tensor = Tensor { name: format!("{}.{name}", self.layer), shape: shape.into(), init };
        if let Some(&(place, value)) = self.parameters.get(&tensor.name) {
            return same(&tensor, &self.declared.parameters[place], value);
        }
        self.may_declare(&tensor)?;
        let value = self.graph.placeholder(TensorType::f32(tensor.shape.clone()));
        self.parameters.insert(tensor.name.clone(), (self.declared.parameters.len(), value));
        self.declared.parameters.push(tensor);
        Ok(value)
    }

    /// The slot of a running-state tensor, with all elements initialized to `first`.
    ///
    /// # Errors
    /// If it was declared with another shape or initial value, or has too many elements.
    pub fn running(&mut self, name: &str, shape: impl Into<Shape>, first: f32) -> Result<SlotId> {
        let name = format!("{}.{name}", self.layer);
        let tensor = Tensor { name, shape: shape.into(), init: Init::Constant(first) };
        if let Some(&(place, slot)) = self.running_state.get(&tensor.name) {
            return same(&tensor, &self.declared.running_state[place], slot);
        }
        self.may_declare(&tensor)?;
        let role = crate::plan::Role::Carried;
        let slot = self.memory.array(&tensor.name, role, DType::F32, tensor.shape.clone())?;
        self.running_state.insert(tensor.name.clone(), (self.declared.running_state.len(), slot));
        self.declared.running_state.push(tensor);
        Ok(slot)
    }

    /// The contents of a slot, read-only.
    pub fn read(&mut self, slot: SlotId) -> Value {
        self.graph.leaf(self.memory, slot)
    }

    /// A unique number for a random layer, so that no two draw the same numbers.
    pub fn next_random(&mut self) -> u32 {
        self.randoms += 1;
        self.randoms - 1
    }

    /// The declared tensors.
    pub(super) fn into_declared(self) -> Declared {
        self.declared
    }

    /// The parameters in order.
    pub(super) fn parameter_values(&self) -> Vec<Value> {
        let mut values: Vec<_> = self.parameters.values().copied().collect();
        values.sort_unstable();
        values.into_iter().map(|(_, value)| value).collect()
    }

    fn may_declare(&self, tensor: &Tensor) -> Result<()> {
        if self.declares {
            return Ok(());
        }
        Err(mistake(format!("{} was not declared when the model was built", tensor.name)))
    }
}

/// `found`, if a tensor that is reused has the same declaration.
fn same<T>(again: &Tensor, first: &Tensor, found: T) -> Result<T> {
    if again == first {
        return Ok(found);
    }
    let of = |tensor: &Tensor| format!("{} of {:?}", tensor.shape, tensor.init);
    Err(Error::new(
        Kind::Model,
        format!("{} is used as {} and as {}", first.name, of(first), of(again)),
        "layers that share a tensor need one shape and one initializer for it",
    ))
}
