//! Models as data: a graph of operations in static single assignment form, its gradients, and its lowering to a plan.
//!
//! Graphs are built in order: a node's inputs exist before it. A graph has no side effects, except those that an op
//! declares ([`Op::mutates`]); all others (counters, the optimizer, metrics) are recorded into the plan around the
//! lowered graph.

mod form;
mod forms;
mod gradient;
mod lower;
mod lowering;
mod passes;

pub use form::Form;
pub use forms::{Choices, OpKey, OpenOp};
pub use lower::Lowered;
pub use lowering::{Lowering, Pool};

use crate::error::{Error, Kind, Result};
use crate::kernel::Caps;
use crate::plan::{Memory, SlotId};
use crate::shape::{Shape, TensorType};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// A differentiable operation: everything the graph needs to know about it. Implemented in the op's file.
pub trait Op: Debug + Any {
    /// The type of each output for these input types. Lowering checks element types against the kernel's.
    ///
    /// # Errors
    /// If the shapes do not match: names all of them.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>>;

    /// The gradient for each input, in terms of other ops; `None` for an input without one, such as labels.
    ///
    /// `upstream` has the gradient of each output, at least one of them; `None` for an output that does not reach a
    /// seed, whose gradient is zero. An op that is only differentiable in its first output uses
    /// [`Node::only_upstream`], which rejects the others.
    ///
    /// # Errors
    /// If the op has no gradient.
    fn gradient(&self, _graph: &mut Graph, _node: &Node, _upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        Err(mistake(format!("{self:?} has no gradient")))
    }

    /// For a loss: the gradient of the mean of output 0, over the valid rows, for each input.
    fn objective(&self, _node: &Node) -> Option<Vec<Option<Value>>> {
        None
    }

    /// The ways to compute it from inputs of these types on a device, the default first. All satisfy the error bound of
    /// the op's kernel. An op that refers to slots of a plan has a single form, since the tuner lowers forms into
    /// separate plans.
    fn forms(&self, _inputs: &[&TensorType], _caps: &Caps) -> Vec<Form> {
        vec![Form::DIRECT]
    }

    /// Records the kernels that compute `outputs` from `inputs` in a form: one of [`Self::forms`], or
    /// [`Form::IN_PLACE`] if the op supports it.
    ///
    /// # Errors
    /// If a kernel does not accept the slots.
    fn lower(&self, form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()>;

    /// Inputs and outputs that may share memory, in order of preference. If an input is a transient with no other or
    /// later use, and the output has the same type, both slots cover the same words, and [`Self::lower`] is called with
    /// [`Form::IN_PLACE`] to record a kernel with a single binding for both.
    fn in_place(&self) -> &[(usize, usize)] {
        &[]
    }

    /// Whether lowering records side effects, such as updates of running state: such an op is recorded exactly once if
    /// one of its outputs is needed, and never merged with an equal one.
    fn mutates(&self) -> bool {
        false
    }

    /// Whether the output has the same memory contents as input 0. It becomes a view of the input's slot, and
    /// [`Self::lower`] is called only if the output must be stored in a slot of its own.
    fn is_view(&self) -> bool {
        false
    }

    /// Fuses this op with output 0 of `producer`, if possible. The fused op's inputs are those of `producer`, then this
    /// op's others.
    fn fuse(&self, _producer: &dyn Op) -> Option<Arc<dyn Op>> {
        None
    }

    /// Merges this op with a `sibling` whose only input is this op's last one, if possible. The merged op's inputs are
    /// this op's; its outputs are this op's only one, then the sibling's only one.
    fn join(&self, _sibling: &dyn Op) -> Option<Arc<dyn Op>> {
        None
    }
}

/// An output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    node: usize,
    output: usize,
}

/// An application of an op, or a leaf: an existing slot, such as a weight or a batch.
#[derive(Clone, Debug)]
pub struct Node {
    op: Option<Arc<dyn Op>>,
    /// Its inputs.
    pub inputs: Vec<Value>,
    /// Its outputs.
    pub outputs: Vec<Value>,
    types: Vec<TensorType>,
    slot: Option<SlotId>,
    /// Its layer, such as `fc1`.
    pub scope: String,
}

impl Node {
    /// The gradient of output 0, for an op that is not differentiable in its other outputs.
    ///
    /// # Errors
    /// If another output has a gradient, which would be lost; names the op and the output.
    pub fn only_upstream(&self, upstream: &[Option<Value>]) -> Result<Value> {
        match upstream {
            [Some(first), others @ ..] if others.iter().all(Option::is_none) => Ok(*first),
            _ => {
                let output = upstream.iter().skip(1).position(Option::is_some).map_or(0, |place| place + 1);
                Err(mistake(format!("{} is not differentiable in its output {output}", self.name())))
            }
        }
    }

    /// The op's debug representation.
    fn name(&self) -> String {
        self.op.as_ref().map_or_else(|| "a leaf".to_owned(), |op| format!("{op:?}"))
    }
}

/// Operations in order of application.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    scope: String,
}

impl Graph {
    /// Sets the layer name for nodes added from here on.
    pub fn scope(&mut self, name: impl Into<String>) {
        self.scope = name.into();
    }

    /// A value that already exists in memory.
    pub fn leaf(&mut self, memory: &Memory, slot: SlotId) -> Value {
        let types = vec![memory.slot(slot).ty.clone()];
        self.push(None, Vec::new(), types, Some(slot))
    }

    /// A value without memory: a graph with placeholders can infer types, but cannot be lowered.
    pub fn placeholder(&mut self, ty: TensorType) -> Value {
        self.push(None, Vec::new(), vec![ty], None)
    }

    /// Applies an op; returns its output 0.
    ///
    /// # Errors
    /// If the input shapes do not match.
    pub fn apply(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value> {
        self.apply_shared(Arc::new(op), inputs)
    }

    /// [`Self::apply`] for a shared op.
    pub fn apply_shared(&mut self, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Value> {
        let types: Vec<&TensorType> = inputs.iter().map(|&input| self.ty(input)).collect();
        let outputs = op.infer(&types)?;
        Ok(self.push(Some(op), inputs.to_vec(), outputs, None))
    }

    fn push(
        &mut self,
        op: Option<Arc<dyn Op>>,
        inputs: Vec<Value>,
        types: Vec<TensorType>,
        slot: Option<SlotId>,
    ) -> Value {
        let node = self.nodes.len();
        let outputs = (0..types.len()).map(|output| Value { node, output }).collect();
        self.nodes.push(Node { op, inputs, outputs, types, slot, scope: self.scope.clone() });
        Value { node, output: 0 }
    }

    /// The shape of a value.
    pub fn shape(&self, value: Value) -> &Shape {
        &self.ty(value).shape
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> &TensorType {
        &self.nodes[value.node].types[value.output]
    }

    /// Another output of the node that produced `value`, if it exists.
    pub fn output(&self, value: Value, output: usize) -> Option<Value> {
        self.nodes[value.node].outputs.get(output).copied()
    }

    /// Number of nodes that are not leaves.
    pub fn operations(&self) -> usize {
        self.nodes.iter().filter(|node| node.op.is_some()).count()
    }

    /// The graph as text: values, ops, inputs, shapes.
    pub fn explain(&self, memory: &Memory) -> String {
        let name = |value: &Value| match self.nodes[value.node].slot {
            Some(slot) => memory.slot(slot).name.clone(),
            None if value.output == 0 => format!("%{}", value.node),
            None => format!("%{}.{}", value.node, value.output),
        };
        let mut text = String::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if let Some(op) = &node.op {
                let inputs: Vec<_> = node.inputs.iter().map(&name).collect();
                let types: Vec<_> = node.types.iter().map(TensorType::to_string).collect();
                let (inputs, types) = (inputs.join(", "), types.join(", "));
                text += &format!("  %{number:<3} = {op:?}({inputs}) : {types}  # {}\n", node.scope);
            }
        }
        text
    }
}

/// A bug in how a graph was built.
pub fn mistake(cause: String) -> Error {
    Error::new(Kind::Usage, cause, "invalid graph: apply each op to shapes it accepts")
}
