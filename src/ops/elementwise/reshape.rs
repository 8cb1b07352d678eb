//! The same elements in the same order with another shape. No kernel: the output is a view of the input.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::ops::elementwise::copy::{CopyArrayKernel, CopyParams};
use crate::plan::SlotId;
use crate::shape::{Shape, TensorType};

/// Changes the shape to one with as many elements.
#[derive(Clone, Debug)]
pub struct ReshapeOp(pub Shape);

impl Op for ReshapeOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0].shape.elements()? == self.0.elements()? {
            return Ok(vec![inputs[0].with_shape(self.0.clone())]);
        }
        Err(mistake(format!("cannot reshape {} to {}", inputs[0], self.0)))
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let back = Self(graph.shape(node.inputs[0]).clone());
        Ok(vec![Some(graph.apply(back, &[upstream])?)])
    }

    /// Copies, only if the output has storage of its own and cannot be a view.
    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], outputs[0]])?;
        cx.dispatch(&CopyArrayKernel, CopyParams { n }, &[("a", a), ("out", out)])
    }

    fn is_view(&self) -> bool {
        true
    }
}
