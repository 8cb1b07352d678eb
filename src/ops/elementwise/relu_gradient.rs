//! out = gradient where the activation is positive, else 0.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::matmul::{self, with_epilogue};
use crate::ops::support::{LINEAR, alternate, each_row, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::shape::TensorType;
use std::sync::Arc;

crate::params! {
    /// Parameters of [`ReluGradientKernel`].
    pub struct ReluGradientParams {
        /// Elements.
        pub n: u32,
    }
}

/// The gradient of ReLU. At exactly zero it is zero, as usual in machine learning.
#[derive(Debug)]
pub struct ReluGradientKernel;

/// [`ReluGradientKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct ReluGradientOp;

impl Kernel for ReluGradientKernel {
    type Params = ReluGradientParams;

    fn name(&self) -> &'static str {
        "relu_gradient"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/relu_gradient.wgsl")])]
    }

    fn groups(&self, params: &ReluGradientParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &ReluGradientParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &ReluGradientParams, args: &mut Args<'_, T>) {
        let (gradient, activation, out) = (args.real("gradient"), args.real("activation"), args.real_mut("out"));
        each_row(out, 1, |i, out| out[0] = if activation[i] > T::zero() { gradient[i] } else { T::zero() });
    }

    /// Exact.
    fn tolerance(&self, case: &Case<ReluGradientParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(case.params.n as usize)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["gradient"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ReluGradientParams>> {
        let case = |(i, n)| Case::new(ReluGradientParams { n }, alternate(i));
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "activation[i] > 0.0", to: "activation[i] >= 0.0" }]
    }
}

impl Registered for ReluGradientKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

impl Op for ReluGradientOp {
    /// Both shapes must be equal.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("gradient of shape {} for an activation of {}", inputs[0], inputs[1])))
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([gradient, activation, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], inputs[1], outputs[0]])?;
        let bindings = [("gradient", gradient), ("activation", activation), ("out", out)];
        cx.dispatch(&ReluGradientKernel, ReluGradientParams { n }, &bindings)
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        with_epilogue(producer, &matmul::NT, &matmul::NT_RELU_MASK)
    }
}
