//! Activation functions in graphs.

use super::{ALL, ActivationParams, Function, Kernels, SLOPE};
use crate::error::Result;
use crate::graph::{Graph, Node, Op, Value, mistake};
use crate::ops::matmul::{self, with_epilogue};
use crate::plan::{Plan, SlotId};
use crate::shape::TensorType;
use std::fmt;
use std::sync::Arc;

/// A function with its slope, applied to each element.
#[derive(Clone, Copy)]
pub struct ActivationOp {
    kernels: &'static Kernels,
    slope: f32,
}

impl ActivationOp {
    /// The function of this kernel name, such as `tanh`; `slope` is [`ActivationParams::slope`].
    pub fn named(name: &str, slope: f32) -> Option<Self> {
        let kernels = ALL.iter().find(|kernels| kernels.activation.name() == name)?;
        Some(Self { kernels, slope })
    }

    /// This function, at [`SLOPE`].
    ///
    /// # Errors
    /// Where it is not in [`ALL`].
    pub(in crate::ops) fn of<F: Function>() -> Result<Self> {
        let missing = || mistake(format!("{} is no activation of the registry", F::NAMES[0]));
        Self::named(F::NAMES[0], SLOPE).ok_or_else(missing)
    }
}

impl fmt::Debug for ActivationOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kernels.activation.name(), self.slope)
    }
}

impl Op for ActivationOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let op = ActivationGradientOp { kernels: self.kernels, slope: self.slope };
        Ok(vec![Some(graph.apply(op, &[upstream, node.inputs[0]])?)])
    }

    fn lower(&self, plan: &mut Plan, label: &str, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, out], n) = crate::ops::support::flat(plan, [inputs[0], outputs[0]])?;
        let params = bytemuck::bytes_of(&ActivationParams { n, slope: self.slope }).to_vec();
        plan.dispatch_any(label.to_owned(), self.kernels.activation, params, &[("a", a), ("out", out)])
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        if self.slope != SLOPE {
            return None;
        }
        with_epilogue(producer, &matmul::NN_BIAS, self.kernels.of_product)
    }
}

/// The gradient of an activation: inputs are the upstream gradient and what the activation was given.
#[derive(Clone, Copy)]
struct ActivationGradientOp {
    kernels: &'static Kernels,
    slope: f32,
}

impl fmt::Debug for ActivationGradientOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kernels.gradient.name(), self.slope)
    }
}

impl Op for ActivationGradientOp {
    /// Two equal shapes give a third.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("a gradient of shape {} for an activation of {}", inputs[0], inputs[1])))
    }

    fn lower(&self, plan: &mut Plan, label: &str, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([gradient, input, out], n) = crate::ops::support::flat(plan, [inputs[0], inputs[1], outputs[0]])?;
        let params = bytemuck::bytes_of(&ActivationParams { n, slope: self.slope }).to_vec();
        let bindings = [("gradient", gradient), ("input", input), ("out", out)];
        plan.dispatch_any(label.to_owned(), self.kernels.gradient, params, &bindings)
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        if self.slope != SLOPE {
            return None;
        }
        with_epilogue(producer, &matmul::NT, self.kernels.gradient_of_product)
    }
}
