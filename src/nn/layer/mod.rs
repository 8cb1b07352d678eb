//! The kinds of layers that a model is a list of, each in its file.

mod activate;
mod drop;
mod linear;
mod norm;
mod reshape;
mod residual;

pub use activate::Activate;
pub use drop::Drop;
pub use linear::Linear;
pub use norm::{BatchNorm, LayerNorm};
pub use reshape::{Flatten, Reshape};
pub use residual::Residual;

use super::toml::Table;
use super::{Activation, Initialiser};
use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Value, mistake};
use crate::plan::{Memory, SlotId};
use crate::shape::Shape;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// A layer: what it owns, and what it does to a batch. A batch of rows of shape `[a, b]` is a value `[batch, a, b]`.
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

    /// Declares what it owns, for rows of shape `row`; gives the shape of the rows that it makes.
    ///
    /// # Errors
    /// Where it does not take such rows: names the shape expected and found.
    fn declare(&self, declared: &mut Declarations, row: &Shape) -> Result<Shape>;

    /// Adds what it does to the graph of a pass, taking what it owns in the order in which it declared it.
    ///
    /// # Errors
    /// Where the shapes do not go together.
    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value>;
}

/// Reads the layer of one kind.
type Read = fn(&mut Table<'_>) -> Result<Arc<dyn Layer>>;

/// Every kind of layer but the activations, which are read by their own names.
const KINDS: [(&str, Read); 7] = [
    ("linear", |table| Ok(Arc::new(Linear::read(table)?))),
    ("batch_norm", |_| Ok(Arc::new(BatchNorm))),
    ("layer_norm", |_| Ok(Arc::new(LayerNorm))),
    ("dropout", |table| Ok(Arc::new(Drop::read(table)?))),
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

    /// [`Layer::declare`], with the place in its errors.
    ///
    /// # Errors
    /// The layer's.
    pub fn declare(&self, declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        self.layer.declare(declared, row).map_err(|error| self.at(&error))
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

/// How the numbers of a tensor begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Begins {
    /// Drawn at random.
    Drawn(Initialiser),
    /// All alike.
    Constant(f32),
}

/// Numbers that a layer owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Such as `fc1.weight`.
    pub name: String,
    /// Its extents.
    pub shape: Shape,
    /// How it begins.
    pub begins: Begins,
}

/// What the layers of a model own, in their order.
#[derive(Debug)]
pub struct Declarations {
    /// Classes that the model tells apart.
    pub classes: usize,
    /// How weights are drawn where a layer does not say.
    pub initialiser: Initialiser,
    /// What is learnt.
    pub parameters: Vec<Tensor>,
    /// What is kept of the batches seen, such as running means.
    pub statistics: Vec<Tensor>,
    names: Names,
}

impl Declarations {
    /// Nothing yet.
    pub fn new(classes: usize, initialiser: Initialiser) -> Self {
        Self { classes, initialiser, parameters: Vec::new(), statistics: Vec::new(), names: Names::default() }
    }

    /// Begins a layer whose tensors are named after `stem`: the next of `fc1`, `fc2`, and so on.
    pub fn begin(&mut self, stem: &'static str) {
        self.names.begin(stem);
    }

    /// The layer learns a tensor of this shape.
    pub fn parameter(&mut self, name: &str, shape: impl Into<Shape>, begins: Begins) {
        self.parameters.push(Tensor { name: self.names.of(name), shape: shape.into(), begins });
    }

    /// The layer keeps a tensor of this shape, all of whose numbers begin as `first`.
    pub fn statistic(&mut self, name: &str, shape: impl Into<Shape>, first: f32) {
        self.statistics.push(Tensor {
            name: self.names.of(name),
            shape: shape.into(),
            begins: Begins::Constant(first),
        });
    }
}

/// Names of the layers that own something, numbered by stem.
#[derive(Debug, Default)]
struct Names {
    counts: BTreeMap<&'static str, usize>,
    layer: String,
}

impl Names {
    fn begin(&mut self, stem: &'static str) {
        let count = self.counts.entry(stem).or_default();
        *count += 1;
        self.layer = format!("{stem}{count}");
    }

    fn of(&self, tensor: &str) -> String {
        format!("{}.{tensor}", self.layer)
    }
}

/// A way through the layers of a model: the graph being built, and what the layers still have to take.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    /// The step's counters.
    pub counters: Value,
    /// In training, the seed of what is random in layers.
    pub training: Option<u64>,
    memory: &'a Memory,
    parameters: std::slice::Iter<'a, Value>,
    statistics: std::slice::Iter<'a, SlotId>,
    names: Names,
    randoms: u32,
}

impl<'a> Pass<'a> {
    /// The beginning of a pass over all layers, which own `parameters` and `statistics`.
    pub fn new(
        graph: &'a mut Graph,
        memory: &'a Memory,
        (parameters, statistics): (&'a [Value], &'a [SlotId]),
        counters: Value,
        training: Option<u64>,
    ) -> Self {
        let (parameters, statistics) = (parameters.iter(), statistics.iter());
        Self { graph, counters, training, memory, parameters, statistics, names: Names::default(), randoms: 0 }
    }

    /// Begins a layer, as [`Declarations::begin`]; its name goes to the nodes added from here on.
    pub fn begin(&mut self, stem: &'static str) {
        self.names.begin(stem);
        self.graph.scope(self.names.layer.clone());
    }

    /// The layer's next parameter.
    ///
    /// # Errors
    /// Where it has declared no more.
    pub fn parameter(&mut self) -> Result<Value> {
        self.parameters.next().copied().ok_or_else(|| mistake("a layer takes more parameters than it declared".into()))
    }

    /// The slot of the layer's next statistic.
    ///
    /// # Errors
    /// Where it has declared no more.
    pub fn statistic(&mut self) -> Result<SlotId> {
        self.statistics.next().copied().ok_or_else(|| mistake("a layer takes more statistics than it declared".into()))
    }

    /// A slot as a value.
    pub fn leaf(&mut self, slot: SlotId) -> Value {
        self.graph.leaf(self.memory, slot)
    }

    /// A number for each layer that is random, so that no two draw the same numbers.
    pub fn next_random(&mut self) -> u32 {
        self.randoms += 1;
        self.randoms - 1
    }
}

/// The width of rows of one dimension.
fn width(row: &Shape) -> Result<usize> {
    match row.extents() {
        &[width] => Ok(width),
        _ => Err(Error::new(
            Kind::Model,
            format!("rows of shape {row}, expected one dimension"),
            "put a layer of kind flatten before it",
        )),
    }
}
