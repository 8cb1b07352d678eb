//! How it is known that gradients are right: the graphs in which they are checked, which stand beside the kernels.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernel::AnyKernel;
use crate::plan::SlotId;
use std::fmt;

/// A kernel as the registry takes it: with the checks of its derivative.
pub trait Registered: AnyKernel {
    /// How the gradients in which it takes part are checked.
    fn gradient_check(&'static self) -> GradientCheck;
}

/// How the gradients in which a kernel takes part are checked.
#[derive(Debug)]
pub enum GradientCheck {
    /// In these graphs.
    Graphs(Vec<GradientGraph>),
    /// In graphs of other files: those of the op whose gradient it computes, or of ops that it does at once.
    Elsewhere,
    /// No derivative passes through it, for this reason.
    Without(&'static str),
}

impl GradientCheck {
    /// In one graph: of an op, as [`GradientGraph::of_op`] has it.
    pub fn of_op(
        name: impl Into<String>,
        shapes: &'static [&'static [usize]],
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self::Graphs(vec![GradientGraph::of_op(name, shapes, build)])
    }

    /// In one graph: of a loss, as [`GradientGraph::of_loss`] has it.
    pub fn of_loss(
        name: impl Into<String>,
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self::Graphs(vec![GradientGraph::of_loss(name, build)])
    }
}

/// Rows of every batch. Labels go round three classes.
pub const ROWS: usize = 4;

/// What graphs are built from besides parameters.
pub struct Given {
    /// The class of each row.
    pub labels: Value,
    /// As [`counter`](crate::ops::counter) names them, at the first step.
    pub counters: Value,
    /// Of three classes.
    pub class_weights: Value,
    /// Running mean and variance of five columns.
    pub running: [SlotId; 2],
    /// A ring of metrics, and counters for the next step.
    pub recorded: [SlotId; 2],
}

/// Makes a value of parameters.
type Build = Box<dyn Fn(&mut Graph, &[Value], &Given) -> Result<Value>>;

/// A graph whose gradients are checked by finite differences on the twins, then on the device.
pub struct GradientGraph {
    /// What `shadegrad verify --op gradients --variant NAME` calls it.
    pub name: String,
    /// The shapes of its parameters.
    pub shapes: &'static [&'static [usize]],
    /// Makes of them, but for a loss, a value `[4, 5]`.
    pub build: Build,
    /// Whether that is the losses of logits `[4, 3]`.
    pub is_loss: bool,
}

impl GradientGraph {
    /// Of an op: `build` gives a value `[4, 5]`, to which a readout and a loss are added.
    pub fn of_op(
        name: impl Into<String>,
        shapes: &'static [&'static [usize]],
        build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value> + 'static,
    ) -> Self {
        Self { name: name.into(), shapes, build: Box::new(build), is_loss: false }
    }

    /// Of a loss: `build` gives the losses of the logits `[4, 3]` that are its only parameter.
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
