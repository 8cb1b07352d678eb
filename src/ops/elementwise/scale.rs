//! out = factor a.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, each_row, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::shape::TensorType;
use std::any::Any;
use std::sync::Arc;

crate::params! {
    /// Parameters of [`ScaleKernel`].
    pub struct ScaleParams {
        /// Elements.
        pub n: u32,
        /// Factor for each element.
        pub factor: f32,
    }
}

/// Multiplies an array by a number.
#[derive(Debug)]
pub struct ScaleKernel;

impl Kernel for ScaleKernel {
    type Params = ScaleParams;

    fn name(&self) -> &'static str {
        "scale"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/scale.wgsl")])]
    }

    fn groups(&self, params: &ScaleParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &ScaleParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, params: &ScaleParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.real("a"), args.real_mut("out"));
        let factor = T::of(params.factor.into());
        each_row(out, 1, |i, out| out[0] = factor * a[i]);
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<ScaleParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["a"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ScaleParams>> {
        let factors = [-0.3, 0.125, 1e-3, 7.0];
        let case = |(i, n)| Case::new(ScaleParams { n, factor: factors[i % 4] }, alternate(i / 4));
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "params.factor * a[i]", to: "a[i]" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ]
    }
}

impl Registered for ScaleKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("scale", &[&[4, 5]], |graph, p, _| graph.apply(ScaleOp { factor: -0.3 }, p))
    }
}

/// Multiplication of an array by a number, as an op.
#[derive(Clone, Copy, Debug)]
pub struct ScaleOp {
    /// Factor for each element.
    pub factor: f32,
}

impl Op for ScaleOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        Ok(vec![Some(graph.apply(*self, &[upstream])?)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], outputs[0]])?;
        cx.dispatch(&ScaleKernel, ScaleParams { n, factor: self.factor }, &[("a", a), ("out", out)])
    }

    /// The identity if the factor is 1.
    fn is_view(&self) -> bool {
        self.factor == 1.0
    }

    /// Combines two scales into one by the product of their factors, unless it overflows or underflows.
    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        let Self { factor } = (producer as &dyn Any).downcast_ref()?;
        let factor = self.factor * factor;
        factor.is_normal().then(|| Arc::new(Self { factor }) as Arc<dyn Op>)
    }
}
