//! out\[i, j] = exp(z\[i, j] - max_j z) / sum over j of the same.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, UNIT, bits, each_row, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`SoftmaxKernel`].
    pub struct SoftmaxParams {
        /// Rows.
        pub m: u32,
        /// Classes.
        pub n: u32,
    }
}

/// SoftmaxKernel of each row.
#[derive(Debug)]
pub struct SoftmaxKernel;

/// [`SoftmaxKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxOp;

/// Writes the softmax of `logits` to `out`.
pub(in crate::ops) fn softmax_row<T: Real>(logits: &[T], out: &mut [T]) {
    let largest = logits.iter().copied().fold(T::neg_infinity(), T::max);
    for (out, &z) in out.iter_mut().zip(logits) {
        *out = (z - largest).exp();
    }
    let sum: T = out.iter().copied().sum();
    out.iter_mut().for_each(|p| *p = *p / sum);
}

/// Rows of `n` extreme logits: in turn far apart, all equal, and with one certain class, last or first, whose
/// exponential overflows unless it is recognized as the maximum.
pub(in crate::ops) fn extreme_logits(n: u32, elements: usize, random: &mut Random) -> Vec<u32> {
    let (n, first) = (n as usize, random.below(5) as usize);
    let logit = |i: usize| {
        let near = random.between(-1.0, 1.0);
        match (first + i / n) % 5 {
            0 => 1e4 * near,
            1 => 30.0 * near,
            2 => 0.0,
            3 if (i + 1).is_multiple_of(n) => 1e4,
            4 if i.is_multiple_of(n) => 1e4,
            _ => near,
        }
    };
    bits((0..elements).map(logit))
}

/// Cycles through the kinds of input.
pub(in crate::ops) fn kind(index: usize) -> Inputs {
    [Inputs::Random, Inputs::Extreme, Inputs::Integers][index % 3]
}

impl Kernel for SoftmaxKernel {
    type Params = SoftmaxParams;

    fn name(&self) -> &'static str {
        "softmax"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/softmax.wgsl")])]
    }

    fn groups(&self, params: &SoftmaxParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    /// Maximum, difference, exponential (counted as one), sum and quotient.
    fn flops(&self, params: &SoftmaxParams) -> u64 {
        operations(5, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &SoftmaxParams, args: &mut Args<'_, T>) {
        let (logits, out) = (args.real("logits"), args.real_mut("out"));
        let n = params.n as usize;
        each_row(out, n, |row, out| softmax_row(&logits[row * n..][..n], out));
    }

    /// Absolute: 1e-6 of the exponentials (WGSL allows exp(x) 3 + 2|x| ULP, and |x| exp(x) < 0.37), and n roundings of
    /// the sum in each quotient, which is at most its probability.
    fn tolerance(&self, case: &Case<SoftmaxParams>, output: &str, values: &Values) -> Tolerance {
        let n = f64::from(case.params.n);
        Tolerance::each(values.after(output), |p| 1e-6 + n * UNIT * p)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Shifted("logits")]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<SoftmaxParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(SoftmaxParams { m, n }, kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<SoftmaxParams>, _: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        (case.inputs == Inputs::Extreme).then(|| extreme_logits(case.params.n, elements, random))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "- largest", to: "" }]
    }
}

impl Registered for SoftmaxKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("softmax", &[&[4, 5]], |graph, p, _| graph.apply(SoftmaxOp, p))
    }
}

impl Op for SoftmaxOp {
    /// `[m, n]` gives `[m, n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match inputs[0].extents() {
            [_, _] => Ok(vec![inputs[0].clone()]),
            _ => Err(mistake(format!("softmax needs a matrix, found {}", inputs[0]))),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        Ok(vec![Some(
            graph.apply(crate::ops::elementwise::softmax_gradient::SoftmaxGradientOp, &[upstream, node.outputs[0]])?,
        )])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        cx.dispatch(&SoftmaxKernel, SoftmaxParams { m, n }, &[("logits", inputs[0]), ("out", outputs[0])])
    }
}
