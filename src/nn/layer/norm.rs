use super::{Begins, Declarations, Layer, Pass, width};
use crate::error::Result;
use crate::graph::Value;
use crate::nn;
use crate::shape::Shape;

/// Each feature brought to mean 0 and variance 1 over the batch, then scaled and moved by what is learnt; in evaluation
/// by running moments. Formula and source: [`crate::ops::norm::batch_norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchNorm;

/// Each row brought to mean 0 and variance 1, then scaled and moved by what is learnt. Formula and source:
/// [`crate::ops::norm::layer_norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerNorm;

/// Declares the scale and the offset of a norm.
fn declare_affine(declared: &mut Declarations, stem: &'static str, row: &Shape) -> Result<usize> {
    let n = width(row)?;
    declared.begin(stem);
    declared.parameter("weight", [n], Begins::Constant(1.0));
    declared.parameter("bias", [n], Begins::Constant(0.0));
    Ok(n)
}

impl Layer for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn declare(&self, declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        let n = declare_affine(declared, "bn", row)?;
        declared.statistic("running_mean", [n], 0.0);
        declared.statistic("running_var", [n], 1.0);
        Ok(row.clone())
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        pass.begin("bn");
        let affine = [pass.parameter()?, pass.parameter()?];
        let running = [pass.statistic()?, pass.statistic()?];
        if pass.training.is_some() {
            return nn::batch_norm(pass.graph, x, affine, running, pass.counters);
        }
        let running = running.map(|slot| pass.leaf(slot));
        nn::batch_norm_evaluate(pass.graph, x, affine, running, pass.counters)
    }
}

impl Layer for LayerNorm {
    fn kind(&self) -> &'static str {
        "layer_norm"
    }

    fn declare(&self, declared: &mut Declarations, row: &Shape) -> Result<Shape> {
        declare_affine(declared, "ln", row)?;
        Ok(row.clone())
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Value) -> Result<Value> {
        pass.begin("ln");
        let (weight, bias) = (pass.parameter()?, pass.parameter()?);
        nn::layer_norm(pass.graph, x, weight, bias)
    }
}
