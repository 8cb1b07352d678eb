//! Layers, as plain functions over a graph.

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::bias_add::BiasAdd;
use crate::ops::matmul::{Layout, product};

/// x W + b: `[m, k]`, `[k, n]` and `[n]` give `[m, n]`.
///
/// # Errors
/// Where the shapes do not go together.
pub fn linear(graph: &mut Graph, x: Value, weight: Value, bias: Value) -> Result<Value> {
    let product = product(graph, Layout::NN, x, weight)?;
    graph.apply(BiasAdd, &[product, bias])
}
