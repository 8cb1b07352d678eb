//! Models as data: a graph of operations in static single assignment, its gradients, and its lowering to a plan.
//!
//! A graph is built in order: every input of a node exists before it. It changes nothing in memory but what an op that
//! says so ([`Op::mutates`]) keeps for itself; all else that does (counters, the optimizer, metrics) is recorded into the
//! plan around the lowered graph.

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

/// A differentiable operation: everything that the graph needs to know of it. Implemented in the op's file.
pub trait Op: Debug + Any {
    /// The type of each output, for inputs of these types. Lowering holds the element types to those of the kernel.
    ///
    /// # Errors
    /// Where the shapes do not go together: names all of them.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>>;

    /// The gradient for each input, in terms of other ops; `None` for an input that has none, such as labels.
    ///
    /// `upstream` holds the gradient of each output, at least one of them; `None` for an output that does not reach a
    /// seed, whose gradient is zero. An op that knows the gradient of its first output alone takes
    /// [`Node::only_upstream`], which refuses the others.
    ///
    /// # Errors
    /// If the op has no gradient.
    fn gradient(&self, _graph: &mut Graph, _node: &Node, _upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        Err(mistake(format!("{self:?} has no gradient")))
    }

    /// For a loss: the gradient of the mean of output 0, over the rows in use, for each input.
    fn objective(&self, _node: &Node) -> Option<Vec<Option<Value>>> {
        None
    }

    /// The ways in which it can be computed from inputs of these types on a device, the default first. All keep the bound
    /// of the op's kernel. An op that names slots of a plan has one form: the tuner lowers forms into plans of their own.
    fn forms(&self, _inputs: &[&TensorType], _caps: &Caps) -> Vec<Form> {
        vec![Form::DIRECT]
    }

    /// Records the kernels that compute `outputs` from `inputs` in a form: one of [`Self::forms`], or
    /// [`Form::IN_PLACE`] if the op offers that.
    ///
    /// # Errors
    /// If a kernel does not take the slots.
    fn lower(&self, form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()>;

    /// Inputs and outputs that may share storage, by preference. If an input is a transient that nobody else reads and no
    /// one later, and the output is of its type, the slots of the two cover the same words, and [`Self::lower`] is called
    /// with [`Form::IN_PLACE`] to record a kernel that has one binding for both.
    fn in_place(&self) -> &[(usize, usize)] {
        &[]
    }

    /// Whether lowering it records something that changes state, such as running statistics: each such op in a graph
    /// is recorded once, as long as one of its outputs is needed, and never shared with an equal one.
    fn mutates(&self) -> bool {
        false
    }

    /// Whether the output holds the numbers of input 0 as they lie. It becomes a view of the input's slot, and
    /// [`Self::lower`] is called only where the output must be stored in a slot of its own.
    fn is_view(&self) -> bool {
        false
    }

    /// One op for this op applied to output 0 of `producer`, where there is one. Its inputs are those of `producer`,
    /// then this op's others.
    fn fuse(&self, _producer: &dyn Op) -> Option<Arc<dyn Op>> {
        None
    }

    /// One op for this op and for a `sibling` whose only input is this op's last one, where there is one. Its inputs are
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

/// A use of an op, or a leaf: a slot that exists already, such as a weight or a batch.
#[derive(Clone, Debug)]
pub struct Node {
    op: Option<Arc<dyn Op>>,
    /// What it takes.
    pub inputs: Vec<Value>,
    /// What it gives.
    pub outputs: Vec<Value>,
    types: Vec<TensorType>,
    slot: Option<SlotId>,
    /// The layer it belongs to, such as `fc1`.
    pub scope: String,
}

impl Node {
    /// The gradient of output 0, for an op that is differentiable in no other output.
    ///
    /// # Errors
    /// Names the op and the output if another output has a gradient, which would be lost.
    pub fn only_upstream(&self, upstream: &[Option<Value>]) -> Result<Value> {
        match upstream {
            [Some(first), others @ ..] if others.iter().all(Option::is_none) => Ok(*first),
            _ => {
                let output = upstream.iter().skip(1).position(Option::is_some).map_or(0, |place| place + 1);
                Err(mistake(format!("{} is not differentiable in its output {output}", self.name())))
            }
        }
    }

    /// The op as it prints.
    fn name(&self) -> String {
        self.op.as_ref().map_or_else(|| "a leaf".to_owned(), |op| format!("{op:?}"))
    }
}

/// Operations in the order of their use.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    scope: String,
}

impl Graph {
    /// Names the layer to which the nodes added from here on belong.
    pub fn scope(&mut self, name: impl Into<String>) {
        self.scope = name.into();
    }

    /// A value that is in memory already.
    pub fn leaf(&mut self, memory: &Memory, slot: SlotId) -> Value {
        let types = vec![memory.slot(slot).ty.clone()];
        self.push(None, Vec::new(), types, Some(slot))
    }

    /// A value of this type that lies nowhere: a graph with placeholders has types, but cannot be lowered.
    pub fn placeholder(&mut self, ty: TensorType) -> Value {
        self.push(None, Vec::new(), vec![ty], None)
    }

    /// Applies an op; gives its output 0.
    ///
    /// # Errors
    /// Where the shapes of the inputs do not go together.
    pub fn apply(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value> {
        self.apply_shared(Arc::new(op), inputs)
    }

    /// [`Self::apply`] for an op that is shared with others.
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

    /// Another output of the node that gave `value`, where it has so many.
    pub fn output(&self, value: Value, output: usize) -> Option<Value> {
        self.nodes[value.node].outputs.get(output).copied()
    }

    /// How many nodes are not leaves.
    pub fn operations(&self) -> usize {
        self.nodes.iter().filter(|node| node.op.is_some()).count()
    }

    /// The graph as lines: values, ops, inputs, shapes.
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

/// A fault in how a graph was put together.
pub fn mistake(cause: String) -> Error {
    Error::new(Kind::Usage, cause, "the graph is wrong: apply each op to shapes that it takes")
}
