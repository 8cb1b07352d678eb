//! out = a + b; also sums the gradients of a value that is used twice.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::elementwise::add_in_place::{AddInPlaceKernel, AddInPlaceParams};
use crate::ops::elementwise::multiply::MultiplyOp;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, each_row, flat, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`AddKernel`].
    pub struct AddParams {
        /// Elements.
        pub n: u32,
    }
}

/// The sum of two arrays of equal shape.
#[derive(Debug)]
pub struct AddKernel;

/// [`AddKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct AddOp;

impl Kernel for AddKernel {
    type Params = AddParams;

    fn name(&self) -> &'static str {
        "add"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/add.wgsl")])]
    }

    fn groups(&self, params: &AddParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &AddParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &AddParams, args: &mut Args<'_, T>) {
        let (a, b, out) = (args.real("a"), args.real("b"), args.real_mut("out"));
        each_row(out, 1, |i, out| out[0] = a[i] + b[i]);
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<AddParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["a", "b"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<AddParams>> {
        flat_sizes(effort).into_iter().enumerate().map(|(i, n)| Case::new(AddParams { n }, alternate(i))).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "a[i] + b[i]", to: "a[i] - b[i]" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ]
    }
}

impl Registered for AddKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        // A summand that is read again is not replaced by the sum.
        GradientCheck::of_op("add", &[&[4, 5], &[4, 5]], |graph, p, _| {
            let sum = graph.apply(AddOp, p)?;
            graph.apply(MultiplyOp, &[sum, p[0]])
        })
    }
}

impl Op for AddOp {
    /// Both shapes must be equal.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("cannot add {} to {}", inputs[1], inputs[0])))
    }

    fn gradient(&self, _graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        Ok(vec![Some(upstream), Some(upstream)])
    }

    fn lower(&self, form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, b, out], n) = flat(cx.plan, [inputs[0], inputs[1], outputs[0]])?;
        if form == Form::IN_PLACE {
            let [sum, first] = [out, a].map(|slot| cx.plan.memory.slot(slot));
            let other = if sum.overlaps(first) { b } else { a };
            return cx.dispatch(&AddInPlaceKernel, AddInPlaceParams { n }, &[("b", other), ("sum", out)]);
        }
        cx.dispatch(&AddKernel, AddParams { n }, &[("a", a), ("b", b), ("out", out)])
    }

    /// Either summand can become the sum: a + b and b + a are the same bits.
    fn in_place(&self) -> &[(usize, usize)] {
        &[(0, 0), (1, 0)]
    }
}
