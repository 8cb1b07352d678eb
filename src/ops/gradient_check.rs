//! How gradients are checked: test graphs defined next to the kernels.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernel::AnyKernel;
use crate::plan::SlotId;
use std::fmt;

/// A kernel in the registry, with the checks of its gradient.
pub trait Registered: AnyKernel {
    /// How gradients involving this kernel are checked.
    fn gradient_check(&'static self) -> GradientCheck;
}

/// How gradients involving a kernel are checked.
#[derive(Debug)]
pub enum GradientCheck {
    /// In these graphs.
    Graphs(Vec<GradientGraph>),
    /// In graphs of other files: those of the op it differentiates, or of the ops it fuses.
    Elsewhere,
    /// Not differentiated, for this reason.
    Without(&'static str),
}

impl GradientCheck {
    /// One graph of an op; see [`GradientGraph::of_op`].
    pub fn of_op(
        name: impl Into<String>,
        shapes: &'static [&'static [usize]],
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self::Graphs(vec![GradientGraph::of_op(name, shapes, build)])
    }

    /// One graph of a loss; see [`GradientGraph::of_loss`].
    pub fn of_loss(
        name: impl Into<String>,
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self::Graphs(vec![GradientGraph::of_loss(name, build)])
    }
}

/// Batch size. Labels cycle through three classes.
pub const ROWS: usize = 4;

/// Inputs of the graphs besides parameters.
pub struct Given {
    /// The class of each row.
    pub labels: Value,
    /// Indexed as in [`counter`](crate::ops::counter), at the first step.
    pub counters: Value,
    /// Weights of three classes.
    pub class_weights: Value,
    /// Running mean and variance of five columns.
    pub running: [SlotId; 2],
    /// A ring of metrics, and counters for the next step.
    pub recorded: [SlotId; 2],
}

/// Builds a value from parameters.
type Build = Box<dyn Fn(&mut Graph, &[Value], &Given) -> Result<Value>>;

/// A graph whose gradients are checked by finite differences on the twins, then on the device.
pub struct GradientGraph {
    /// Name in `shadegrad verify --op gradients --variant NAME`.
    pub name: String,
    /// The shapes of its parameters.
    pub shapes: &'static [&'static [usize]],
    /// Builds a value `[4, 5]` from them, or the losses.
    pub build: Build,
    /// Whether the value is the losses of logits `[4, 3]`.
    pub is_loss: bool,
}

impl GradientGraph {
    /// A graph of an op: `build` returns a value `[4, 5]`; a readout and a loss are added.
    pub fn of_op(
        name: impl Into<String>,
        shapes: &'static [&'static [usize]],
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self { name: name.into(), shapes, build: Box::new(build), is_loss: false }
    }

    /// A graph of a loss: `build` returns the losses of the logits `[4, 3]`, its only parameter.
    pub fn of_loss(
        name: impl Into<String>,
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self { name: name.into(), shapes: &[&[ROWS, 3]], build: Box::new(build), is_loss: true }
    }
}

impl fmt::Debug for GradientGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.shapes)
    }
}
