//! Layers, as plain functions over a graph.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::elementwise::add::Add;
use crate::ops::elementwise::bias_add::BiasAdd;
use crate::ops::elementwise::dropout::DropoutOp;
use crate::ops::elementwise::reshape::Reshape;
use crate::ops::lookup::embedding::Embedding;
use crate::ops::matmul::{Operands, product};
use crate::ops::norm::batch_norm::BatchNormOp;
use crate::ops::norm::batch_norm_evaluate::BatchNormEvaluateOp;
use crate::ops::norm::layer_norm::LayerNormOp;
use crate::plan::SlotId;
use crate::shape::Shape;

/// x W + b: `[m, k]`, `[k, n]` and `[n]` give `[m, n]`.
///
/// # Errors
/// Where the shapes do not go together.
pub fn linear(graph: &mut Graph, x: Value, weight: Value, bias: Value) -> Result<Value> {
    let product = product(graph, Operands::NN, x, weight)?;
    graph.apply(BiasAdd, &[product, bias])
}

/// Each row of x brought to mean 0 and variance 1, times the weight, plus the bias: `[m, n]`, `[n]` and `[n]` give
/// `[m, n]`. Weights begin as 1 and biases as 0. Formula and source: [`crate::ops::norm::layer_norm`].
///
/// # Errors
/// Where the shapes do not go together.
pub fn layer_norm(graph: &mut Graph, x: Value, weight: Value, bias: Value) -> Result<Value> {
    graph.apply(LayerNormOp::default(), &[x, weight, bias])
}

/// In training: each column of x brought to mean 0 and variance 1 over the rows in use, times the weight, plus the bias:
/// `[m, n]`, `[n]` and `[n]` give `[m, n]`, with zeros in rows not in use. `running` are the slots `[n]` of running mean
/// and variance, which every run moves towards the batch's; they begin as 0 and 1, and lie in another buffer than
/// weight and bias. Formula and source: [`crate::ops::norm::batch_norm`].
///
/// # Errors
/// Where the shapes do not go together; those of `running` are compared when the graph is lowered.
pub fn batch_norm(
    graph: &mut Graph,
    x: Value,
    [weight, bias]: [Value; 2],
    [mean, variance]: [SlotId; 2],
    counters: Value,
) -> Result<Value> {
    graph.apply(BatchNormOp::new(mean, variance), &[x, weight, bias, counters])
}

/// [`batch_norm`] in evaluation: by the running mean and variance, which are only read. It has no gradient.
///
/// # Errors
/// Where the shapes do not go together.
pub fn batch_norm_evaluate(
    graph: &mut Graph,
    x: Value,
    [weight, bias]: [Value; 2],
    [mean, variance]: [Value; 2],
    counters: Value,
) -> Result<Value> {
    graph.apply(BatchNormEvaluateOp::default(), &[x, weight, bias, mean, variance, counters])
}

/// In training: drops each element of x with the probability of `op` and scales the others up by as much; evaluation
/// goes without. Each dropout of a model has another [`DropoutOp::layer`]. Source: [`crate::ops::elementwise::dropout`].
///
/// # Errors
/// None for the ops there are: any shape will do.
pub fn dropout(graph: &mut Graph, x: Value, counters: Value, op: DropoutOp) -> Result<Value> {
    graph.apply(op, &[x, counters])
}

/// Rows of a table: `[entries, n]` and indices `[m]` give `[m, n]`; an index beyond the table gives zeros. Source:
/// [`crate::ops::lookup::embedding`].
///
/// # Errors
/// Where the shapes do not go together.
pub fn embedding(graph: &mut Graph, table: Value, index: Value) -> Result<Value> {
    graph.apply(Embedding, &[table, index])
}

/// x + branch(x): He, Zhang, Ren and Sun, CVPR 2016 (arXiv:1512.03385), equation 1.
///
/// # Errors
/// Those of `branch`, and where it does not give x's shape.
pub fn residual(graph: &mut Graph, x: Value, branch: impl FnOnce(&mut Graph, Value) -> Result<Value>) -> Result<Value> {
    let change = branch(graph, x)?;
    graph.apply(Add, &[x, change])
}

/// Each row's elements side by side: `[m, a, b, ...]` gives `[m, a b ...]`. It costs nothing.
///
/// # Errors
/// Where the elements of a row cannot be counted.
pub fn flatten(graph: &mut Graph, x: Value) -> Result<Value> {
    let extents = graph.shape(x).extents();
    let flat = match extents.split_first() {
        Some((&rows, row)) => [rows, Shape::new(row).elements()?],
        None => [1, 1],
    };
    graph.apply(Reshape(Shape::from(flat)), &[x])
}
