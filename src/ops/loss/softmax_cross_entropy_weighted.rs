//! Softmax cross-entropy with class labels, label smoothing and class weights, and its gradient with respect to the
//! logits.
//!
//! The target of class j for label y is t_j = w_j ((1 - e) \[j = y] + e / n), with class weights w and smoothing e:
//! Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
//! section 7. A row's cross-entropy is c_i = -sum_j t_ij log(softmax(z_i)_j), and the loss is the weighted mean, sum
//! over i of c_i / W, with W = sum over the valid rows of w at their labels: the convention of PyTorch's
//! `CrossEntropyLoss` (the smoothed part, too, is weighted by w_j and divided by W).
//!
//! `losses` holds c_i rows / W, so that its mean over the valid rows is the loss, as for every other loss; gradient_ij
//! = (softmax(z_i)_j sum_k t_ik - t_ij) / W. With weights of one and no smoothing both equal those of
//! [`SoftmaxCrossEntropy`](crate::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyKernel). If W is 0, since every label
//! in the batch has weight 0, loss and gradient are 0 (PyTorch: NaN): such a batch is ignored instead of ending
//! training.

use crate::error::Result;
use crate::graph::{Form, Lowering, Node, Op, Value, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::{kind, softmax_row};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::loss::rows::{each_loss, fill_batch, labels_and_rows};
use crate::ops::support::{BITS, COUNTERS, IGNORE_INDEX, LINEAR, UNIT, bits, counter, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`SoftmaxCrossEntropyWeightedKernel`].
    pub struct SoftmaxCrossEntropyWeightedParams {
        /// Rows of the batch.
        pub m: u32,
        /// Classes.
        pub n: u32,
        /// Label smoothing, from 0 to 1: the part of each target spread evenly over all classes.
        pub smoothing: f32,
    }
}

/// The loss of each row, and the gradient of the weighted mean loss.
#[derive(Debug)]
pub struct SoftmaxCrossEntropyWeightedKernel;

/// Workgroup size; the invocations share the sum of the weights.
const WORKGROUP: usize = 256;

/// The total weight of the labels of all valid rows, in the shader's order: every 256th, then as a tree.
fn sum_of_weights<T: Real>(labels: &[u32], class_weights: &[T]) -> T {
    let weight = |label: &u32| class_weights.get(*label as usize).copied().unwrap_or_else(T::zero);
    let lane = |local: usize| labels.iter().skip(local).step_by(WORKGROUP).map(weight).sum::<T>();
    let mut weight_sums: Vec<T> = (0..WORKGROUP).map(lane).collect();
    let mut half = WORKGROUP / 2;
    while half > 0 {
        let (front, back) = weight_sums.split_at_mut(half);
        front.iter_mut().zip(back).for_each(|(sum, &mut other)| *sum += other);
        half /= 2;
    }
    weight_sums[0]
}

/// Target of class j for this label.
fn wanted<T: Real>(label: usize, j: usize, smoothing: T, class_weights: &[T]) -> T {
    let share = if j == label { T::one() - smoothing } else { T::zero() };
    class_weights[j] * (share + smoothing / T::of(class_weights.len() as f64))
}

impl Kernel for SoftmaxCrossEntropyWeightedKernel {
    type Params = SoftmaxCrossEntropyWeightedParams;

    fn name(&self) -> &'static str {
        "softmax_cross_entropy_weighted"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        let shader = include_str!("../../../shaders/softmax_cross_entropy_weighted.wgsl");
        vec![Variant::plain(&[LINEAR, COUNTERS, BITS, shader])]
    }

    fn groups(&self, params: &SoftmaxCrossEntropyWeightedParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    fn flops(&self, params: &SoftmaxCrossEntropyWeightedParams) -> u64 {
        operations(16, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &SoftmaxCrossEntropyWeightedParams, args: &mut Args<'_, T>) {
        let (logits, labels, counters) = (args.real("logits"), args.word("labels"), args.word("counters"));
        let (losses, gradient) = (args.real_mut("losses"), args.real_mut("gradient"));
        let class_weights = args.real("class_weights");
        let smoothing = T::of(params.smoothing.into());
        let weight_sum = sum_of_weights(labels, class_weights);
        let scale = if weight_sum > T::zero() { T::one() / weight_sum } else { T::zero() };
        let rows = T::of(counters[counter::ROWS].into());
        each_loss((logits, labels), (losses, gradient), |logits, label, gradient| {
            let largest = logits.iter().copied().fold(T::neg_infinity(), T::max);
            let log_sum = logits.iter().map(|&z| (z - largest).exp()).sum::<T>().ln();
            let (mut loss, mut total) = (T::zero(), T::zero());
            for (j, &z) in logits.iter().enumerate() {
                let y = wanted(label, j, smoothing, class_weights);
                loss += y * (log_sum - (z - largest));
                total += y;
            }
            softmax_row(logits, gradient);
            for (j, g) in gradient.iter_mut().enumerate() {
                *g = (*g * total - wanted(label, j, smoothing, class_weights)) * scale;
            }
            loss * scale * rows
        });
    }

    /// W is a sum of m / 256 + 8 non-negative numbers; targets have 5 roundings, their total n more. Loss: each
    /// logarithm as in [`SoftmaxCrossEntropy`](crate::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyKernel), times the
    /// target of its class, and n roundings of a non-negative sum. Gradient: softmax's bound times the total.
    fn tolerance(&self, case: &Case<Self::Params>, output: &str, values: &Values) -> Tolerance {
        let SoftmaxCrossEntropyWeightedParams { m, n, smoothing } = case.params;
        let (labels, rows_used) = labels_and_rows(values);
        let class_weights = values.before("class_weights");
        let weight_sum = sum_of_weights(labels, class_weights);
        let scale = if weight_sum > 0.0 { 1.0 / weight_sum } else { 0.0 };
        let scale_error = (f64::from(m.div_ceil(256)) + 16.0) * UNIT;
        let columns = f64::from(n);
        let tiny = f64::from(f32::MIN_POSITIVE);
        let mut hard = Vec::with_capacity(values.after(output).len());
        let rows = values.before("logits").chunks_exact(n as usize).zip(labels);
        for (row, (logits, &label)) in rows.enumerate() {
            // Invalid rows are zero, whatever their logits.
            let if_used = |bound: f64| if label == IGNORE_INDEX { 0.0 } else { bound };
            let y = |j: usize| wanted(label as usize, j, smoothing.into(), class_weights);
            let total: f64 = (0..n as usize).map(y).sum();
            if output == "losses" {
                let largest = logits.iter().fold(0.0f64, |most, z| most.max(z.abs()));
                let logarithm = total * (4e-6 + columns * UNIT + 4.0 * UNIT * largest) * scale * rows_used;
                let loss = values.after(output)[row];
                hard.push(if_used(logarithm + ((columns + 8.0) * UNIT + scale_error) * loss + tiny));
                continue;
            }
            let mut probabilities = logits.to_vec();
            softmax_row(logits, &mut probabilities);
            let bound = |(j, p): (usize, &f64)| {
                let softmax = 1e-6 + (2.0 * columns + 8.0) * UNIT * p;
                let g = (p * total - y(j)).abs();
                if_used((softmax * total + 8.0 * UNIT * y(j) + scale_error * g) * scale + tiny)
            };
            hard.extend(probabilities.iter().enumerate().map(bound));
        }
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Shifted("logits")]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<Self::Params>> {
        let smoothing = |i: usize| [0.1, 0.0, 0.4, 1.0][i % 4];
        let params = |i, [m, n]: [u32; 2]| SoftmaxCrossEntropyWeightedParams { m, n, smoothing: smoothing(i) };
        let case = |(i, size): (usize, [u32; 2])| Case::new(params(i, size), kind(i));
        // All weights zero; several valid rows per invocation of a workgroup.
        let more = [Case::new(params(0, [1, 7]), Inputs::Extreme), Case::new(params(0, [700, 3]), Inputs::Random)];
        row_sizes(effort).into_iter().enumerate().map(case).chain(more).collect()
    }

    fn fill(&self, case: &Case<Self::Params>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        // Some weights are zero; in a single row of extreme logits, all.
        let none = case.params.m == 1 && case.inputs == Inputs::Extreme;
        let mut weight = || if none || random.below(5) == 0 { 0.0 } else { random.between(0.1, 4.0) };
        match binding {
            "class_weights" => Some(bits((0..n).map(|_| weight()))),
            _ => fill_batch([case.params.m, case.params.n], case.inputs, binding, n, random),
        }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "1.0 - params.smoothing", to: "1.0" },
            ShaderFault { from: "half > 0u", to: "half > 1u" },
            ShaderFault { from: "class_weights[label]", to: "1.0" },
            ShaderFault { from: "p * total", to: "p" },
            ShaderFault { from: "1.0 / weight_sum, weight_sum > 0.0", to: "1.0 / weight_sum, true" },
            ShaderFault { from: "row += WORKGROUP", to: "row += params.m" },
        ]
    }
}

impl Registered for SoftmaxCrossEntropyWeightedKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_loss("softmax_cross_entropy_weighted", |graph, p, given| {
            let inputs = [p[0], given.labels, given.counters, given.class_weights];
            graph.apply(SoftmaxCrossEntropyWeightedOp { smoothing: 0.1 }, &inputs)
        })
    }
}

/// The loss as an op: logits `[m, n]`, labels `[m]`, counters and class weights `[n]` give losses `[m]` and, as output
/// 1, the logits' gradient.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropyWeightedOp {
    /// See [`SoftmaxCrossEntropyWeightedParams::smoothing`].
    pub smoothing: f32,
}

impl Op for SoftmaxCrossEntropyWeightedOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let outputs = crate::ops::support::loss_outputs(inputs)?;
        if inputs[0].extents().get(1..) != Some(inputs[3].extents()) {
            return Err(mistake(format!("a loss of logits {} with class weights {}", inputs[0], inputs[3])));
        }
        Ok(outputs)
    }

    fn objective(&self, node: &Node) -> Option<Vec<Option<Value>>> {
        Some(vec![Some(node.outputs[1]), None, None, None])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let params = SoftmaxCrossEntropyWeightedParams { m, n, smoothing: self.smoothing };
        let bindings =
            [&crate::ops::support::loss_bindings(inputs, outputs)[..], &[("class_weights", inputs[3])]].concat();
        cx.dispatch(&SoftmaxCrossEntropyWeightedKernel, params, &bindings)
    }
}
