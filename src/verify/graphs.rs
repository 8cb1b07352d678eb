//! Graphs whose gradients are checked: every differentiable op, and every loss.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::nn::{Activation, Objective, batch_norm, dropout, embedding, flatten, layer_norm, linear, residual};
use crate::ops::elementwise::add::Add;
use crate::ops::elementwise::bias_add::BiasAdd;
use crate::ops::elementwise::dropout::DropoutOp;
use crate::ops::elementwise::relu::Relu;
use crate::ops::elementwise::reshape::Reshape;
use crate::ops::elementwise::scale::ScaleOp;
use crate::ops::elementwise::softmax::Softmax;
use crate::ops::loss::softmax_cross_entropy_metrics::SoftmaxCrossEntropyMetricsOp;
use crate::ops::loss::softmax_cross_entropy_weighted::SoftmaxCrossEntropyWeightedOp;
use crate::ops::matmul::{Operands, product};
use crate::plan::SlotId;
use crate::shape::Shape;

/// Rows of every batch. Labels go round three classes.
pub(super) const ROWS: usize = 4;

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
pub type Build = fn(&mut Graph, &[Value], &Given) -> Result<Value>;

/// A name, the shapes of parameters, and what is made of them.
pub type Entry = (&'static str, &'static [&'static [usize]], Build);

/// Backward, the product that follows applies the activation.
fn activated(activation: Activation, graph: &mut Graph, x: Value) -> Result<Value> {
    activation.apply(graph, x)
}

/// An activation that no product follows.
fn alone(activation: Activation, graph: &mut Graph, x: Value) -> Result<Value> {
    let active = activation.apply(graph, x)?;
    graph.apply(ScaleOp { factor: -0.7 }, &[active])
}

/// Ops that give `[4, 5]`.
pub const OPS: &[Entry] = &[
    ("product NN", &[&[4, 3], &[3, 5]], |graph, p, _| product(graph, Operands::NN, p[0], p[1])),
    ("product TN", &[&[3, 4], &[3, 5]], |graph, p, _| product(graph, Operands::TN, p[0], p[1])),
    ("product NT", &[&[4, 3], &[5, 3]], |graph, p, _| product(graph, Operands::NT, p[0], p[1])),
    ("bias_add", &[&[4, 5], &[5]], |graph, p, _| graph.apply(BiasAdd, p)),
    ("linear", &[&[4, 3], &[3, 5], &[5]], |graph, p, _| linear(graph, p[0], p[1], p[2])),
    // Bias, ReLU and the mask of its gradient go into the products.
    ("two layers", &[&[4, 3], &[3, 6], &[6], &[6, 5], &[5]], |graph, p, _| {
        let hidden = linear(graph, p[0], p[1], p[2])?;
        let active = graph.apply(Relu, &[hidden])?;
        linear(graph, active, p[3], p[4])
    }),
    ("add", &[&[4, 5], &[4, 5]], |graph, p, _| graph.apply(Add, p)),
    ("residual", &[&[4, 5]], |graph, p, _| residual(graph, p[0], |graph, x| graph.apply(Softmax, &[x]))),
    ("scale", &[&[4, 5]], |graph, p, _| graph.apply(ScaleOp { factor: -0.3 }, p)),
    ("dropout", &[&[4, 5]], |graph, p, given| {
        dropout(graph, p[0], given.counters, DropoutOp { seed: 3, layer: 1, probability: 0.4 })
    }),
    ("softmax", &[&[4, 5]], |graph, p, _| graph.apply(Softmax, p)),
    ("layer_norm", &[&[4, 5], &[5], &[5]], |graph, p, _| layer_norm(graph, p[0], p[1], p[2])),
    ("batch_norm", &[&[4, 5], &[5], &[5]], |graph, p, given| {
        batch_norm(graph, p[0], [p[1], p[2]], given.running, given.counters)
    }),
    ("embedding", &[&[6, 5]], |graph, p, given| embedding(graph, p[0], given.labels)),
    ("reshape", &[&[2, 10]], |graph, p, _| graph.apply(Reshape(Shape::from([4, 5])), p)),
    ("flatten", &[&[4, 5, 1]], |graph, p, _| flatten(graph, p[0])),
    ("a view used twice", &[&[2, 10]], |graph, p, _| {
        let view = graph.apply(Reshape(Shape::from([4, 5])), p)?;
        let active = graph.apply(Softmax, &[view])?;
        graph.apply(Add, &[view, active])
    }),
    ("a view's gradient in a place of its own", &[&[4, 5], &[20]], |graph, p, _| {
        let view = graph.apply(Reshape(Shape::from([4, 5])), &p[1..])?;
        graph.apply(Add, &[p[0], view])
    }),
    ("relu", &[&[4, 5]], |graph, p, _| graph.apply(Relu, p)),
    ("leaky_relu", &[&[4, 5]], |graph, p, _| activated(Activation::LeakyRelu, graph, p[0])),
    ("leaky_relu alone", &[&[4, 5]], |graph, p, _| alone(Activation::LeakyRelu, graph, p[0])),
    ("sigmoid", &[&[4, 5]], |graph, p, _| activated(Activation::Sigmoid, graph, p[0])),
    ("sigmoid alone", &[&[4, 5]], |graph, p, _| alone(Activation::Sigmoid, graph, p[0])),
    ("tanh", &[&[4, 5]], |graph, p, _| activated(Activation::Tanh, graph, p[0])),
    ("tanh alone", &[&[4, 5]], |graph, p, _| alone(Activation::Tanh, graph, p[0])),
    ("gelu", &[&[4, 5]], |graph, p, _| activated(Activation::Gelu, graph, p[0])),
    ("gelu alone", &[&[4, 5]], |graph, p, _| alone(Activation::Gelu, graph, p[0])),
    ("gelu_tanh", &[&[4, 5]], |graph, p, _| activated(Activation::GeluTanh, graph, p[0])),
    ("gelu_tanh alone", &[&[4, 5]], |graph, p, _| alone(Activation::GeluTanh, graph, p[0])),
    ("silu", &[&[4, 5]], |graph, p, _| activated(Activation::Silu, graph, p[0])),
    ("silu alone", &[&[4, 5]], |graph, p, _| alone(Activation::Silu, graph, p[0])),
    ("softplus", &[&[4, 5]], |graph, p, _| activated(Activation::Softplus, graph, p[0])),
    ("softplus alone", &[&[4, 5]], |graph, p, _| alone(Activation::Softplus, graph, p[0])),
    // The input reaches the end through the products and past them, and the weight is used forwards and transposed.
    ("a tied weight", &[&[4, 5], &[5, 5]], |graph, p, _| {
        let forwards = product(graph, Operands::NN, p[0], p[1])?;
        let hidden = graph.apply(Relu, &[forwards])?;
        let back = product(graph, Operands::NT, hidden, p[1])?;
        let sum = graph.apply(Add, &[back, p[0]])?;
        graph.apply(Add, &[sum, sum])
    }),
];

fn losses(objective: Objective, graph: &mut Graph, p: &[Value], given: &Given) -> Result<Value> {
    objective.losses(graph, p[0], given.labels, given.counters)
}

/// Losses of logits `[4, 3]`.
pub const LOSSES: &[Entry] = &[
    ("softmax_cross_entropy", &[&[4, 3]], |graph, p, given| losses(Objective::CrossEntropy, graph, p, given)),
    ("softmax_cross_entropy_metrics", &[&[4, 3]], |graph, p, given| {
        let [metrics, last_counters] = given.recorded;
        let op = SoftmaxCrossEntropyMetricsOp { metrics, last_counters };
        graph.apply(op, &[p[0], given.labels, given.counters])
    }),
    ("softmax_cross_entropy_weighted", &[&[4, 3]], |graph, p, given| {
        let inputs = [p[0], given.labels, given.counters, given.class_weights];
        graph.apply(SoftmaxCrossEntropyWeightedOp { smoothing: 0.1 }, &inputs)
    }),
    ("mse", &[&[4, 3]], |graph, p, given| losses(Objective::Mse, graph, p, given)),
    ("softmax_mse", &[&[4, 3]], |graph, p, given| losses(Objective::SoftmaxMse, graph, p, given)),
    ("l1", &[&[4, 3]], |graph, p, given| losses(Objective::L1, graph, p, given)),
    ("huber", &[&[4, 3]], |graph, p, given| losses(Objective::Huber, graph, p, given)),
    ("binary_cross_entropy", &[&[4, 3]], |graph, p, given| losses(Objective::BinaryCrossEntropy, graph, p, given)),
];
