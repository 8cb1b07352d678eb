//! Graphs whose gradients are checked: those defined next to the ops, and those of several ops together.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::nn::{flatten, linear, residual};
use crate::ops::elementwise::add::AddOp;
use crate::ops::elementwise::relu::ReluOp;
use crate::ops::elementwise::reshape::ReshapeOp;
use crate::ops::elementwise::softmax::SoftmaxOp;
use crate::ops::matmul::{Operands, product};
use crate::ops::{Given, GradientCheck, GradientGraph, gradient_checks};
use crate::shape::Shape;

/// All graphs.
pub fn graphs() -> Vec<GradientGraph> {
    let of_kernel = |(_, check)| match check {
        GradientCheck::Graphs(graphs) => graphs,
        GradientCheck::Elsewhere | GradientCheck::Without(_) => Vec::new(),
    };
    let of_kernels = gradient_checks().into_iter().flat_map(of_kernel);
    of_kernels.chain(views()).chain(layers()).collect()
}

/// Ops without a kernel, which create views.
fn views() -> Vec<GradientGraph> {
    let reshaped = |graph: &mut Graph, x: Value| graph.apply(ReshapeOp(Shape::from([4, 5])), &[x]);
    vec![
        GradientGraph::of_op("reshape", &[&[2, 10]], move |graph, p, _| reshaped(graph, p[0])),
        GradientGraph::of_op("flatten", &[&[4, 5, 1]], |graph, p, _| flatten(graph, p[0])),
        GradientGraph::of_op("a view used twice", &[&[2, 10]], move |graph, p, _| {
            let view = reshaped(graph, p[0])?;
            let active = graph.apply(SoftmaxOp, &[view])?;
            graph.apply(AddOp, &[view, active])
        }),
        GradientGraph::of_op("a view's gradient in a place of its own", &[&[4, 5], &[20]], move |graph, p, _| {
            let view = reshaped(graph, p[1])?;
            graph.apply(AddOp, &[p[0], view])
        }),
    ]
}

/// Layers, whose following ops are fused into a product.
fn layers() -> Vec<GradientGraph> {
    vec![
        GradientGraph::of_op("linear", &[&[4, 3], &[3, 5], &[5]], |graph, p, _| linear(graph, p[0], p[1], p[2])),
        // Bias, ReLU and its gradient's mask are fused into the products.
        GradientGraph::of_op("two layers", &[&[4, 3], &[3, 6], &[6], &[6, 5], &[5]], |graph, p, _| {
            let hidden = linear(graph, p[0], p[1], p[2])?;
            let active = graph.apply(ReluOp, &[hidden])?;
            linear(graph, active, p[3], p[4])
        }),
        GradientGraph::of_op("residual", &[&[4, 5]], |graph, p, _| {
            residual(graph, p[0], |graph, x| graph.apply(SoftmaxOp, &[x]))
        }),
        // The input reaches the end through the products and around them, and the weight is used as is and transposed.
        GradientGraph::of_op("a tied weight", &[&[4, 5], &[5, 5]], tied),
    ]
}

fn tied(graph: &mut Graph, p: &[Value], _: &Given) -> Result<Value> {
    let forwards = product(graph, Operands::NN, p[0], p[1])?;
    let hidden = graph.apply(ReluOp, &[forwards])?;
    let back = product(graph, Operands::NT, hidden, p[1])?;
    let sum = graph.apply(AddOp, &[back, p[0]])?;
    graph.apply(AddOp, &[sum, sum])
}
