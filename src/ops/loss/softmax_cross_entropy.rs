//! Softmax cross-entropy with class labels, and its gradient with respect to the logits.
//!
//! loss_i = log(sum_j exp(z_ij)) - z_iy, gradient_ij = (softmax(z_i)_j - \[j = y]) / rows: Goodfellow, Bengio and
//! Courville, "Deep Learning", section 6.2.2.3. The mean is over the valid rows, so a shorter last batch of an epoch is
//! weighted correctly.

use crate::error::Result;
use crate::graph::{Form, Lowering, Node, Op, Value};
use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::{kind, softmax_row};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::loss::rows::fill_batch;
use crate::ops::support::{BITS, COUNTERS, LINEAR, UNIT, counter, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`SoftmaxCrossEntropyKernel`].
    pub struct SoftmaxCrossEntropyParams {
        /// Rows of the batch.
        pub m: u32,
        /// Classes.
        pub n: u32,
    }
}

/// The loss of each row, and the gradient of the mean loss.
#[derive(Debug)]
pub struct SoftmaxCrossEntropyKernel;

/// [`SoftmaxCrossEntropyKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropyOp;

/// WGSL for the loss of a row and its gradient.
pub(in crate::ops) const ROW: &str = include_str!("../../../shaders/lib/softmax_cross_entropy_row.wgsl");

/// The losses of rows of `n` logits, and their gradients.
pub(in crate::ops) fn each_loss<T: Real>(
    n: usize,
    logits: &[T],
    labels: &[u32],
    counters: &[u32],
    losses: &mut [T],
    gradient: &mut [T],
) {
    let scale = T::one() / T::of(counters[counter::ROWS].into());
    let rows = logits.chunks_exact(n).zip(labels).zip(losses).zip(gradient.chunks_exact_mut(n));
    for (((logits, &label), loss), gradient) in rows {
        let broken = logits.iter().any(|z| !z.is_finite());
        let label = label as usize;
        if label >= n {
            *loss = T::zero();
            gradient.fill(T::zero());
        } else if broken {
            *loss = T::nan();
            gradient.fill(T::nan());
        } else {
            let largest = logits.iter().copied().fold(T::neg_infinity(), T::max);
            let sum: T = logits.iter().map(|&z| (z - largest).exp()).sum();
            *loss = sum.ln() - (logits[label] - largest);
            softmax_row(logits, gradient);
            gradient[label] = gradient[label] - T::one();
            gradient.iter_mut().for_each(|g| *g = *g * scale);
        }
    }
}

impl Kernel for SoftmaxCrossEntropyKernel {
    type Params = SoftmaxCrossEntropyParams;

    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        let main = include_str!("../../../shaders/softmax_cross_entropy.wgsl");
        vec![Variant::plain(&[LINEAR, COUNTERS, BITS, ROW, main])]
    }

    fn groups(&self, params: &SoftmaxCrossEntropyParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    fn flops(&self, params: &SoftmaxCrossEntropyParams) -> u64 {
        operations(8, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &SoftmaxCrossEntropyParams, args: &mut Args<'_, T>) {
        let (logits, labels, counters) = (args.real("logits"), args.word("labels"), args.word("counters"));
        let (losses, gradient) = (args.real_mut("losses"), args.real_mut("gradient"));
        each_loss(params.n as usize, logits, labels, counters, losses, gradient);
    }

    /// Loss, absolute: 4e-6 + 4 u max|z|, since near 0 it is a difference of nearly equal numbers; and n roundings of
    /// the sum, which the logarithm turns into an absolute error. Gradient: softmax's bound, divided by the rows.
    fn tolerance(&self, case: &Case<SoftmaxCrossEntropyParams>, output: &str, values: &Values) -> Tolerance {
        let n = case.params.n as usize;
        let sum = n as f64 * UNIT;
        if output == "gradient" {
            let counters = values.words("counters");
            let rows = f64::from(counters[counter::ROWS].max(1));
            return Tolerance::each(values.after(output), |_| (1e-6 + sum + 2.0 * UNIT) / rows);
        }
        let largest = |row: &[f64]| row.iter().fold(0.0f64, |most, z| most.max(z.abs()));
        let rows = values.before("logits").chunks_exact(n);
        Tolerance { hard: rows.map(|row| 4e-6 + sum + 4.0 * UNIT * largest(row)).collect(), soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Shifted("logits")]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<SoftmaxCrossEntropyParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(SoftmaxCrossEntropyParams { m, n }, kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<SoftmaxCrossEntropyParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        fill_batch([case.params.m, case.params.n], case.inputs, binding, elements, random)
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "1.0 / f32(counters[ROWS])", to: "1.0 / f32(counters[ROWS] + 1u)" }]
    }
}

impl Registered for SoftmaxCrossEntropyKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_loss("softmax_cross_entropy", |graph, p, given| {
            graph.apply(SoftmaxCrossEntropyOp, &[p[0], given.labels, given.counters])
        })
    }
}

/// As an op: logits `[m, n]`, labels `[m]` and counters give losses `[m]` and, as output 1, the logits' gradient.
impl Op for SoftmaxCrossEntropyOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        crate::ops::support::loss_outputs(inputs)
    }

    fn objective(&self, node: &Node) -> Option<Vec<Option<Value>>> {
        Some(vec![Some(node.outputs[1]), None, None])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let bindings = crate::ops::support::loss_bindings(inputs, outputs);
        cx.dispatch(&SoftmaxCrossEntropyKernel, SoftmaxCrossEntropyParams { m, n }, &bindings)
    }
}
