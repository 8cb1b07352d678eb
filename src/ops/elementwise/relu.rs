//! out = max(a, 0).

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::matmul::{self, with_epilogue};
use crate::ops::support::{LINEAR, alternate, each_row, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::shape::TensorType;
use std::sync::Arc;

crate::params! {
    /// Parameters of [`ReluKernel`].
    pub struct ReluParams {
        /// Elements.
        pub n: u32,
    }
}

/// ReLU.
#[derive(Debug)]
pub struct ReluKernel;

/// [`ReluKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct ReluOp;

impl Kernel for ReluKernel {
    type Params = ReluParams;

    fn name(&self) -> &'static str {
        "relu"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/relu.wgsl")])]
    }

    fn groups(&self, params: &ReluParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &ReluParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &ReluParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.real("a"), args.real_mut("out"));
        each_row(out, 1, |i, out| out[0] = a[i].max(T::zero()));
    }

    /// Exact.
    fn tolerance(&self, case: &Case<ReluParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(case.params.n as usize)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["a"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ReluParams>> {
        flat_sizes(effort).into_iter().enumerate().map(|(i, n)| Case::new(ReluParams { n }, alternate(i))).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "max(a[i], 0.0)", to: "abs(a[i])" },
            ShaderFault { from: "i < params.n", to: "i < params.n + 1u" },
        ]
    }
}

impl Registered for ReluKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("relu", &[&[4, 5]], |graph, p, _| graph.apply(ReluOp, p))
    }
}

impl Op for ReluOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        Ok(vec![Some(
            graph.apply(crate::ops::elementwise::relu_gradient::ReluGradientOp, &[upstream, node.outputs[0]])?,
        )])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], outputs[0]])?;
        cx.dispatch(&ReluKernel, ReluParams { n }, &[("a", a), ("out", out)])
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        with_epilogue(producer, &matmul::NN_BIAS, &matmul::NN_BIAS_RELU)
    }
}
