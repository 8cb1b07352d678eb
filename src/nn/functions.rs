//! Layers as functions on a graph.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::elementwise::add::AddOp;
use crate::ops::elementwise::bias_add::BiasAddOp;
use crate::ops::elementwise::dropout::DropoutOp;
use crate::ops::elementwise::reshape::ReshapeOp;
use crate::ops::lookup::embedding::EmbeddingOp;
use crate::ops::matmul::{Operands, product};
use crate::ops::norm::batch_norm::BatchNormOp;
use crate::ops::norm::batch_norm_evaluate::BatchNormEvaluateOp;
use crate::ops::norm::layer_norm::LayerNormOp;
use crate::plan::SlotId;
use crate::shape::Shape;

/// x W + b: `[m, k]`, `[k, n]` and `[n]` give `[m, n]`.
///
/// # Errors
/// If the shapes do not match.
pub fn linear(graph: &mut Graph, x: Value, weight: Value, bias: Value) -> Result<Value> {
    let product = product(graph, Operands::NN, x, weight)?;
    graph.apply(BiasAddOp, &[product, bias])
}

/// Normalizes each row of x to mean 0 and variance 1, then applies weight and bias: `[m, n]`, `[n]` and `[n]` give
/// `[m, n]`. Weights are initialized to 1, biases to 0. For formula and source see [`crate::ops::norm::layer_norm`].
///
/// # Errors
/// If the shapes do not match.
pub fn layer_norm(graph: &mut Graph, x: Value, weight: Value, bias: Value) -> Result<Value> {
    graph.apply(LayerNormOp::default(), &[x, weight, bias])
}

/// In training: normalizes each column of x to mean 0 and variance 1 over the valid rows, then applies weight and bias:
/// `[m, n]`, `[n]` and `[n]` give `[m, n]`, with zeros in invalid rows. `running` are the slots `[n]` of running mean
/// and variance, which are updated toward the batch's; they are initialized to 0 and 1, and must not share a buffer
/// with weight and bias. For formula and source see [`crate::ops::norm::batch_norm`].
///
/// # Errors
/// If the shapes do not match; those of `running` are checked when the graph is lowered.
pub fn batch_norm(
    graph: &mut Graph,
    x: Value,
    [weight, bias]: [Value; 2],
    [mean, variance]: [SlotId; 2],
    counters: Value,
) -> Result<Value> {
    graph.apply(BatchNormOp::new(mean, variance), &[x, weight, bias, counters])
}

/// [`batch_norm`] in evaluation: uses running mean and variance, read-only. It has no gradient.
///
/// # Errors
/// If the shapes do not match.
pub fn batch_norm_evaluate(
    graph: &mut Graph,
    x: Value,
    [weight, bias]: [Value; 2],
    [mean, variance]: [Value; 2],
    counters: Value,
) -> Result<Value> {
    graph.apply(BatchNormEvaluateOp::default(), &[x, weight, bias, mean, variance, counters])
}

/// In training: drops each element of x with the probability of `op` and scales the others up accordingly; not used in
/// evaluation. Each dropout of a model needs its own [`DropoutOp::layer`]. For the source see
/// [`crate::ops::elementwise::dropout`].
///
/// # Errors
/// None: any shape is accepted.
pub fn dropout(graph: &mut Graph, x: Value, counters: Value, op: DropoutOp) -> Result<Value> {
    graph.apply(op, &[x, counters])
}

/// Looks up rows of a table: `[entries, n]` and indices `[m]` give `[m, n]`; an out-of-range index gives zeros. For the
/// source see [`crate::ops::lookup::embedding`].
///
/// # Errors
/// If the shapes do not match.
pub fn embedding(graph: &mut Graph, table: Value, index: Value) -> Result<Value> {
    graph.apply(EmbeddingOp, &[table, index])
}

/// x + branch(x): He, Zhang, Ren and Sun, CVPR 2016 (arXiv:1512.03385), equation 1.
///
/// # Errors
/// Those of `branch`, and if its output has another shape than x.
pub fn residual(graph: &mut Graph, x: Value, branch: impl FnOnce(&mut Graph, Value) -> Result<Value>) -> Result<Value> {
    let change = branch(graph, x)?;
    graph.apply(AddOp, &[x, change])
}

/// Flattens each row: `[m, a, b, ...]` gives `[m, a b ...]`. Free.
///
/// # Errors
/// If a row has too many elements.
pub fn flatten(graph: &mut Graph, x: Value) -> Result<Value> {
    let extents = graph.shape(x).extents();
    let flat = match extents.split_first() {
        Some((&rows, row)) => [rows, Shape::new(row).elements()?],
        None => [1, 1],
    };
    graph.apply(ReshapeOp(Shape::from(flat)), &[x])
}
