//! Products in graphs: shapes, gradients, and the epilogues that other ops become.

use super::{Layout, MatmulParams, NN, NT, Product, TN, TN_COLUMN_SUMS};
use crate::error::Result;
use crate::graph::{Graph, Node, Op, Value, mistake};
use crate::kernel::Kernel;
use crate::ops::elementwise::column_sum::ColumnSum;
use crate::plan::{Plan, SlotId};
use crate::shape::Shape;
use std::any::Any;
use std::sync::Arc;

/// A product kernel as an op: inputs A and B as the layout stores them, then what the epilogue takes.
#[derive(Clone, Copy)]
pub struct MatmulOp(&'static dyn Product);

impl std::fmt::Debug for MatmulOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Applies a product to A and B, stored as `layout` says.
///
/// # Errors
/// Where the shapes do not go together.
pub fn product(graph: &mut Graph, layout: Layout, a: Value, b: Value) -> Result<Value> {
    let plain = match layout {
        Layout::NN => &NN,
        Layout::TN => &TN,
        Layout::NT => &NT,
    };
    graph.apply(MatmulOp(plain), &[a, b])
}

/// The product `after` as an op, where `producer` is the product `before`.
pub fn with_epilogue(producer: &dyn Op, before: &dyn Product, after: &'static dyn Product) -> Option<Arc<dyn Op>> {
    let MatmulOp(product) = (producer as &dyn Any).downcast_ref()?;
    (product.name() == before.name()).then(|| Arc::new(MatmulOp(after)) as Arc<dyn Op>)
}

/// m, k and n for A and B of these shapes, where they go together.
fn extents(layout: Layout, a: &Shape, b: &Shape) -> Option<[usize; 3]> {
    let (&[a0, a1], &[b0, b1]) = (a.extents(), b.extents()) else { return None };
    let (m, k) = if layout == Layout::TN { (a1, a0) } else { (a0, a1) };
    let (k_of_b, n) = if layout == Layout::NT { (b1, b0) } else { (b0, b1) };
    (k == k_of_b).then_some([m, k, n])
}

impl Op for MatmulOp {
    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let extents = extents(self.0.layout(), inputs[0], inputs[1]);
        let [m, _, n] = extents.ok_or_else(|| {
            mistake(format!("a product of {} and {} in layout {:?}", inputs[0], inputs[1], self.0.layout()))
        })?;
        let sums = self.0.has_column_sums().then(|| Shape::from([n]));
        Ok(std::iter::once(Shape::from([m, n])).chain(sums).collect())
    }

    /// For C = A B: dA = dC B^T and dB = A^T dC, each in the layout that needs no transposition of what is stored.
    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: Value) -> Result<Vec<Option<Value>>> {
        if self.0.operand().is_some() || self.0.has_column_sums() {
            return Err(mistake(format!("{} is differentiated before it is fused, not after", self.0.name())));
        }
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let ((a_layout, a_left, a_right), (b_layout, b_left, b_right)) = match self.0.layout() {
            Layout::NN => ((Layout::NT, upstream, b), (Layout::TN, a, upstream)),
            Layout::TN => ((Layout::NT, b, upstream), (Layout::NN, a, upstream)),
            Layout::NT => ((Layout::NN, upstream, b), (Layout::TN, upstream, a)),
        };
        let of_b = product(graph, b_layout, b_left, b_right)?;
        let of_a = product(graph, a_layout, a_left, a_right)?;
        Ok(vec![Some(of_a), Some(of_b)])
    }

    fn lower(&self, plan: &mut Plan, label: &str, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [a, b] = [inputs[0], inputs[1]].map(|slot| plan.memory.slot(slot));
        let found = extents(self.0.layout(), &a.shape, &b.shape);
        let [m, k, n] = found.ok_or_else(|| mistake(format!("a product of {} and {}", a.name, b.name)))?;
        let [m, k, n] = [crate::ops::support::word(m)?, crate::ops::support::word(k)?, crate::ops::support::word(n)?];
        let mut bindings = vec![("a", inputs[0]), ("b", inputs[1]), ("out", outputs[0])];
        bindings.extend(self.0.operand().map(|operand| (operand, inputs[2])));
        bindings.extend(self.0.has_column_sums().then(|| ("sums", outputs[1])));
        let params = bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec();
        plan.dispatch_any(label.to_owned(), self.0, params, &bindings)
    }

    /// The gradients of a weight and of the bias beside it.
    fn join(&self, sibling: &dyn Op) -> Option<Arc<dyn Op>> {
        let adds_columns = (sibling as &dyn Any).is::<ColumnSum>();
        (adds_columns && self.0.name() == Kernel::name(&TN)).then(|| Arc::new(Self(&TN_COLUMN_SUMS)) as Arc<dyn Op>)
    }
}
