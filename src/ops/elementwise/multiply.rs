//! out = a b, elementwise; used for gates.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, each_row, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`MultiplyKernel`].
    pub struct MultiplyParams {
        /// Elements.
        pub n: u32,
    }
}

/// The elementwise product of two arrays of equal shape.
#[derive(Debug)]
pub struct MultiplyKernel;

/// [`MultiplyKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct MultiplyOp;

impl Kernel for MultiplyKernel {
    type Params = MultiplyParams;

    fn name(&self) -> &'static str {
        "multiply"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/multiply.wgsl")])]
    }

    fn groups(&self, params: &MultiplyParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &MultiplyParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &MultiplyParams, args: &mut Args<'_, T>) {
        let (a, b, out) = (args.real("a"), args.real("b"), args.real_mut("out"));
        each_row(out, 1, |i, out| out[0] = a[i] * b[i]);
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<MultiplyParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn relations(&self) -> Vec<Relation> {
        let proportional = |of| Relation::Proportional { of, outputs: &["out"] };
        vec![Relation::Apart("n"), proportional(&["a"]), proportional(&["b"])]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<MultiplyParams>> {
        flat_sizes(effort).into_iter().enumerate().map(|(i, n)| Case::new(MultiplyParams { n }, alternate(i))).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "a[i] * b[i]", to: "a[i] * abs(b[i])" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ]
    }
}

impl Registered for MultiplyKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("multiply", &[&[4, 5], &[4, 5]], |graph, p, _| graph.apply(MultiplyOp, p))
    }
}

impl Op for MultiplyOp {
    /// Both shapes must be equal.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("{} multiplied by {}", inputs[0], inputs[1])))
    }

    /// The gradient of each factor is the other factor times the upstream gradient.
    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let of_a = graph.apply(MultiplyOp, &[upstream, b])?;
        Ok(vec![Some(of_a), Some(graph.apply(MultiplyOp, &[upstream, a])?)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, b, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], inputs[1], outputs[0]])?;
        cx.dispatch(&MultiplyKernel, MultiplyParams { n }, &[("a", a), ("b", b), ("out", out)])
    }
}
