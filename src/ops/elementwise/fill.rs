//! out = value: initial states, seeds of gradients, and the gradient of an output that nobody reads.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::elementwise::multiply::MultiplyOp;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, flat, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::shape::{Shape, TensorType};

crate::params! {
    /// Parameters of [`FillKernel`].
    pub struct FillParams {
        /// Elements.
        pub n: u32,
        /// What each of them becomes.
        pub value: f32,
    }
}

/// Sets every element to one number.
#[derive(Debug)]
pub struct FillKernel;

impl Kernel for FillKernel {
    type Params = FillParams;

    fn name(&self) -> &'static str {
        "fill"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/fill.wgsl")])]
    }

    fn groups(&self, params: &FillParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    /// It computes nothing.
    fn flops(&self, _params: &FillParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &FillParams, args: &mut Args<'_, T>) {
        args.real_mut("out").fill(T::of(params.value.into()));
    }

    /// Nothing is rounded.
    fn tolerance(&self, _case: &Case<FillParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::exact(values.after(output).len())
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n")]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<FillParams>> {
        let values = [0.0, -0.3, 1.0, 1e-30];
        let case = |(i, n)| Case::new(FillParams { n, value: values[i % 4] }, alternate(i / 4));
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "params.value", to: "0.0" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ]
    }
}

impl Registered for FillKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("fill", &[&[4, 5]], |graph, p, _| {
            let factor = graph.apply(FillOp { shape: [4, 5].into(), value: -1.5 }, &[])?;
            graph.apply(MultiplyOp, &[p[0], factor])
        })
    }
}

/// An array of one number, as an op without inputs.
#[derive(Clone, Debug)]
pub struct FillOp {
    /// Its shape.
    pub shape: Shape,
    /// The number.
    pub value: f32,
}

impl Op for FillOp {
    fn infer(&self, _inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![TensorType::f32(self.shape.clone())])
    }

    /// There is no input that it depends on.
    fn gradient(&self, _: &mut Graph, _: &Node, _: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        Ok(Vec::new())
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, _inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([out], n) = flat(cx.plan, [outputs[0]])?;
        cx.dispatch(&FillKernel, FillParams { n, value: self.value }, &[("out", out)])
    }
}
