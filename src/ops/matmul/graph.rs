//! Products as ops: shapes, gradients, and fusion of other ops into epilogues.

use super::epilogue::Epilogue;
use super::kernel::{MatmulKernel, NN, NT, Product, TN, TN_COLUMN_SUMS};
use super::params::{MatmulParams, Operands};
use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::Kernel;
use crate::ops::elementwise::column_sum::ColumnSumOp;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::plan::SlotId;
use crate::shape::TensorType;
use std::any::Any;
use std::sync::Arc;

/// A product kernel as an op: inputs are A and B as given by [`Operands`], then the epilogue's operand.
#[derive(Clone, Copy)]
pub struct MatmulOp(&'static dyn Product);

impl std::fmt::Debug for MatmulOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Multiplies A and B, stored as given by `operands`.
///
/// # Errors
/// If the shapes do not match.
pub fn product(graph: &mut Graph, operands: Operands, a: Value, b: Value) -> Result<Value> {
    let plain = match operands {
        Operands::NN => &NN,
        Operands::TN => &TN,
        Operands::NT => &NT,
    };
    graph.apply(MatmulOp(plain), &[a, b])
}

/// The product `after` as an op, if `producer` is the product `before`.
pub fn with_epilogue(producer: &dyn Op, before: &dyn Product, after: &'static dyn Product) -> Option<Arc<dyn Op>> {
    let MatmulOp(product) = (producer as &dyn Any).downcast_ref()?;
    (product.name() == before.name()).then(|| Arc::new(MatmulOp(after)) as Arc<dyn Op>)
}

impl<E: Epilogue> Registered for MatmulKernel<E> {
    fn gradient_check(&'static self) -> GradientCheck {
        if self.operand().is_some() || self.has_column_sums() {
            return E::gradient_check();
        }
        let shapes: &[&[usize]] = match self.operands() {
            Operands::NN => &[&[4, 3], &[3, 5]],
            Operands::TN => &[&[3, 4], &[3, 5]],
            Operands::NT => &[&[4, 3], &[5, 3]],
        };
        let name = format!("product {:?}", self.operands());
        GradientCheck::of_op(name, shapes, |graph, p, _| graph.apply(MatmulOp(self), p))
    }
}

/// m, k and n for A and B of these shapes, if they match.
fn extents(operands: Operands, a: &TensorType, b: &TensorType) -> Option<[usize; 3]> {
    let (&[a0, a1], &[b0, b1]) = (a.extents(), b.extents()) else { return None };
    let (m, k) = if operands == Operands::TN { (a1, a0) } else { (a0, a1) };
    let (k_of_b, n) = if operands == Operands::NT { (b1, b0) } else { (b0, b1) };
    (k == k_of_b).then_some([m, k, n])
}

impl Op for MatmulOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let extents = extents(self.0.operands(), inputs[0], inputs[1]);
        let [m, _, n] = extents.ok_or_else(|| {
            mistake(format!("cannot multiply {} and {}, stored as {:?}", inputs[0], inputs[1], self.0.operands()))
        })?;
        let sums = self.0.has_column_sums().then(|| TensorType::f32([n]));
        Ok(std::iter::once(TensorType::f32([m, n])).chain(sums).collect())
    }

    /// For C = A B: dA = dC B^T and dB = A^T dC, each with operands that need no explicit transposition.
    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        if self.0.operand().is_some() || self.0.has_column_sums() {
            return Err(mistake(format!("{} must be differentiated before fusion", self.0.name())));
        }
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let ((for_a, a_left, a_right), (for_b, b_left, b_right)) = match self.0.operands() {
            Operands::NN => ((Operands::NT, upstream, b), (Operands::TN, a, upstream)),
            Operands::TN => ((Operands::NT, b, upstream), (Operands::NN, a, upstream)),
            Operands::NT => ((Operands::NN, upstream, b), (Operands::TN, upstream, a)),
        };
        let of_b = product(graph, for_b, b_left, b_right)?;
        let of_a = product(graph, for_a, a_left, a_right)?;
        Ok(vec![Some(of_a), Some(of_b)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [a, b] = [inputs[0], inputs[1]].map(|slot| cx.plan.memory.slot(slot));
        let found = extents(self.0.operands(), &a.ty, &b.ty);
        let [m, k, n] = found.ok_or_else(|| mistake(format!("cannot multiply {} and {}", a.name, b.name)))?;
        let [m, k, n] = [crate::ops::support::word(m)?, crate::ops::support::word(k)?, crate::ops::support::word(n)?];
        let mut bindings = vec![("a", inputs[0]), ("b", inputs[1]), ("out", outputs[0])];
        bindings.extend(self.0.operand().map(|operand| (operand, inputs[2])));
        bindings.extend(self.0.has_column_sums().then(|| ("sums", outputs[1])));
        let params = bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec();
        cx.dispatch_any(self.0, params, &bindings)
    }

    /// Merges the gradients of a weight and of the bias next to it.
    fn join(&self, sibling: &dyn Op) -> Option<Arc<dyn Op>> {
        let adds_columns = (sibling as &dyn Any).is::<ColumnSumOp>();
        (adds_columns && self.0.name() == Kernel::name(&TN)).then(|| Arc::new(Self(&TN_COLUMN_SUMS)) as Arc<dyn Op>)
    }
}
