//! Columns of a matrix taken apart and put together, each of which is the gradient of the other.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::ops::elementwise::fill::FillOp;
use crate::ops::elementwise::join_columns::JoinColumnsKernel;
use crate::ops::elementwise::multiply::MultiplyOp;
use crate::ops::elementwise::split_columns::{ColumnsParams, SplitColumnsKernel};
use crate::ops::gradient_check::{GradientCheck, GradientGraph, Registered};
use crate::ops::support::rows_and_columns;
use crate::plan::SlotId;
use crate::shape::TensorType;

impl Registered for SplitColumnsKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Graphs(vec![
            GradientGraph::of_op("split_columns", &[&[4, 10]], |graph, p, _| {
                let left = graph.apply(SplitColumnsOp { at: 5 }, p)?;
                let right = graph.output(left, 1).ok_or_else(|| mistake("one output".to_owned()))?;
                graph.apply(MultiplyOp, &[left, right])
            }),
            // The gradient of the part that nobody reads is zero.
            GradientGraph::of_op("the left columns", &[&[4, 7]], |graph, p, _| {
                graph.apply(SplitColumnsOp { at: 5 }, p)
            }),
            GradientGraph::of_op("the right columns", &[&[4, 8]], |graph, p, _| {
                let left = graph.apply(SplitColumnsOp { at: 3 }, p)?;
                graph.output(left, 1).ok_or_else(|| mistake("one output".to_owned()))
            }),
        ])
    }
}

/// The columns of a matrix before and from `at` on, as outputs 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct SplitColumnsOp {
    /// How many columns lie on the left.
    pub at: usize,
}

impl Op for SplitColumnsOp {
    /// `[m, n]` gives `[m, at]` and `[m, n - at]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match inputs[0].extents() {
            &[m, n] if (1..n).contains(&self.at) => {
                Ok([self.at, n - self.at].map(|columns| inputs[0].with_shape([m, columns])).to_vec())
            }
            _ => Err(mistake(format!("{} split at column {}", inputs[0], self.at))),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let mut parts = Vec::new();
        for (&output, gradient) in node.outputs.iter().zip(upstream) {
            let zeros = FillOp { shape: graph.shape(output).clone(), value: 0.0 };
            parts.push(gradient.map_or_else(|| graph.apply(zeros, &[]), Ok)?);
        }
        Ok(vec![Some(graph.apply(JoinColumnsKernel, &parts)?)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, p] = rows_and_columns(&cx.plan.memory, outputs[0])?;
        let [_, q] = rows_and_columns(&cx.plan.memory, outputs[1])?;
        let bindings = [("a", inputs[0]), ("left", outputs[0]), ("right", outputs[1])];
        cx.dispatch(&SplitColumnsKernel, ColumnsParams::new(m, p, q), &bindings)
    }
}

impl Registered for JoinColumnsKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("join_columns", &[&[4, 3], &[4, 2]], |graph, p, _| graph.apply(JoinColumnsKernel, p))
    }
}

impl Op for JoinColumnsKernel {
    /// `[m, p]` and `[m, q]` give `[m, p + q]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match (inputs[0].extents(), inputs[1].extents()) {
            (&[m, p], &[rows, q]) if m == rows => Ok(vec![inputs[0].with_shape([m, p.saturating_add(q)])]),
            _ => Err(mistake(format!("{} beside {}", inputs[0], inputs[1]))),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let at = graph.shape(node.inputs[0]).extents()[1];
        let left = graph.apply(SplitColumnsOp { at }, &[upstream])?;
        Ok(vec![Some(left), graph.output(left, 1)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, p] = rows_and_columns(&cx.plan.memory, inputs[0])?;
        let [_, q] = rows_and_columns(&cx.plan.memory, inputs[1])?;
        let bindings = [("left", inputs[0]), ("right", inputs[1]), ("out", outputs[0])];
        cx.dispatch(&Self, ColumnsParams::new(m, p, q), &bindings)
    }
}
