//! How layers become a graph: one pass over them declares what they own and uses it.
//!
//! A [`Model`](super::Model) runs the layers once in a graph of a single row, over shapes alone, and keeps what they
//! declared. Each section of a plan runs the same code again, with the slots that the plan has for it.

use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Value, mistake};
use crate::nn::Initializer;
use crate::plan::{Memory, SlotId};
use crate::shape::{DType, Shape, TensorType};
use std::collections::BTreeMap;

/// What passes from layer to layer: a batch of rows, `[batch, ...]`.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// The rows.
    pub value: Value,
    /// Where rows are sequences: how many steps of each are in use, `[batch]`.
    pub lengths: Option<Value>,
}

impl Signal {
    /// Other rows of the same lengths.
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

/// What a pass through the layers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassMode {
    /// To train: dropout drops, running state moves.
    Train {
        /// The seed of what is random in layers.
        seed: u64,
    },
    /// To evaluate or predict: nothing is random, running state is only read.
    Evaluate,
}

/// Initial values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Drawn at random.
    Drawn(Initializer),
    /// All equal.
    Constant(f32),
}

/// A tensor that a layer owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Such as `fc1.weight`.
    pub name: String,
    /// Its extents.
    pub shape: Shape,
    /// Its initial values.
    pub init: Init,
}

/// What the layers of a model own, each in the order of its first use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declared {
    /// What is learned.
    pub parameters: Vec<Tensor>,
    /// What training keeps of the batches seen, such as running means.
    pub running_state: Vec<Tensor>,
}

/// What a model is built for: the rows that it takes, and how many numbers it gives for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name and type of a row of each input. The first one enters the first layer.
    pub inputs: Vec<(String, TensorType)>,
    /// Numbers that a row of the output has, such as one for each class.
    pub outputs: usize,
}

impl Signature {
    /// The name of the input of a model that has only one.
    pub const INPUT: &'static str = "input";

    /// One input of flat rows.
    pub fn flat(features: usize, outputs: usize) -> Self {
        Self { inputs: vec![(Self::INPUT.to_owned(), TensorType::f32([features]))], outputs }
    }
}

/// Where the tensors of a model lie in a plan, in the order of [`Declared`].
#[derive(Clone, Copy, Debug)]
pub struct TensorSlots<'a> {
    /// The parameters.
    pub parameters: &'a [SlotId],
    /// The running state.
    pub running_state: &'a [SlotId],
}

/// Builds the graph of one pass through the layers of a model.
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
    /// Whether a new name is a new tensor, and not a mistake.
    declares: bool,
    parameters: BTreeMap<String, (usize, Value)>,
    running_state: BTreeMap<String, (usize, SlotId)>,
    stems: BTreeMap<&'static str, usize>,
    layer: String,
    randoms: u32,
}

impl<'a> ModelBuilder<'a> {
    /// A pass that finds out what layers own, over a single row of each input.
    ///
    /// # Errors
    /// Where the elements of a row cannot be counted.
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

    /// The first of the inputs of `signature`.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn first_input(&self, signature: &Signature) -> Result<Signal> {
        self.input(signature.inputs.first().map_or("", |(name, _)| name))
    }

    /// What the pass is for.
    pub fn mode(&self) -> PassMode {
        self.mode
    }

    /// The counters of the step, which say how many rows of the batch are in use: [`crate::ops::counter`].
    pub fn counters(&self) -> Value {
        self.counters
    }

    /// How many numbers the task wants for each row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// How weights are drawn where a layer does not say.
    pub fn initializer(&self) -> Initializer {
        self.initializer
    }

    /// The shape of a row of `x`.
    pub fn row(&self, x: Signal) -> Shape {
        Shape::new(self.graph.shape(x.value).extents().get(1..).unwrap_or_default())
    }

    /// The width of the rows of `x`, which have one dimension.
    ///
    /// # Errors
    /// Where they have another number of dimensions.
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

    /// Begins a layer whose tensors are named after `stem` and its number: `fc1`, `fc2`, and so on. Nodes added from here
    /// on belong to it.
    pub fn begin(&mut self, stem: &'static str) {
        let count = self.stems.entry(stem).or_default();
        *count += 1;
        self.layer = format!("{stem}{count}");
        self.graph.scope(self.layer.clone());
    }

    /// [`Self::begin`] under just this name. Layers that begin under one name share the tensors they name alike.
    pub fn begin_shared(&mut self, name: impl Into<String>) {
        self.layer = name.into();
        self.graph.scope(self.layer.clone());
    }

    /// The input of this name.
    ///
    /// # Errors
    /// Where the model has none of this name: lists those that it has.
    pub fn input(&self, name: &str) -> Result<Signal> {
        self.inputs.get(name).copied().ok_or_else(|| {
            let names: Vec<_> = self.inputs.keys().map(String::as_str).collect();
            Error::new(
                Kind::Model,
                format!("no input is called `{name}`"),
                format!("the model has {}", names.join(", ")),
            )
        })
    }

    /// A tensor that is learned: `name` in the layer begun last. The same name twice is the same tensor.
    ///
    /// # Errors
    /// Where it has another shape or other initial values elsewhere.
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

    /// The slot of a tensor that training keeps of the batches seen, all of whose elements start as `first`.
    ///
    /// # Errors
    /// Where it has another shape or another start elsewhere, or its elements cannot be counted.
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

    /// What a slot holds, to be read only.
    pub fn read(&mut self, slot: SlotId) -> Value {
        self.graph.leaf(self.memory, slot)
    }

    /// A number for a layer that is random, so that no two draw the same numbers.
    pub fn next_random(&mut self) -> u32 {
        self.randoms += 1;
        self.randoms - 1
    }

    /// What was declared.
    pub(super) fn into_declared(self) -> Declared {
        self.declared
    }

    /// The parameters in their order.
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

/// `found`, where a tensor that is used again is used as it was first.
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
