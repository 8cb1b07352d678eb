//! In each column, over the valid rows, with x = (a - mean) reciprocal:
//! out = weight reciprocal (gradient - mean(gradient) - x mean(gradient x)),
//! weight_gradient = sum of gradient x, bias_gradient = sum of gradient.
//!
//! Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3, with the gradients combined: the terms that reach
//! the input through mean and variance contain the same two sums as the weight and bias gradients.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::norm::batch_norm::rows_in_use;
use crate::ops::norm::layer_norm_gradient::fill_saved;
use crate::ops::norm::moments::some_rows;
use crate::ops::support::{COUNTERS, LINEAR, each_row, linear_groups, roundings, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`BatchNormGradientKernel`].
    pub struct BatchNormGradientParams {
        /// Rows of the batch.
        pub m: u32,
        /// Columns.
        pub n: u32,
    }
}

/// The gradients with respect to input, weight and bias of [`crate::ops::norm::batch_norm::BatchNormKernel`].
#[derive(Debug)]
pub struct BatchNormGradientKernel;

/// [`BatchNormGradientKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormGradientOp;

impl Kernel for BatchNormGradientKernel {
    type Params = BatchNormGradientParams;

    fn name(&self) -> &'static str {
        "batch_norm_gradient"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, COUNTERS, include_str!("../../../shaders/batch_norm_gradient.wgsl")])]
    }

    fn groups(&self, params: &BatchNormGradientParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    /// Five for the sums, six for the output.
    fn flops(&self, params: &BatchNormGradientParams) -> u64 {
        operations(11, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &BatchNormGradientParams, args: &mut Args<'_, T>) {
        let (gradient, a, weight) = (args.real("gradient"), args.real("a"), args.real("weight"));
        let (statistics, counters, out) = (args.real("statistics"), args.word("counters"), args.real_mut("out"));
        let (weight_gradient, bias_gradient) = (args.real_mut("weight_gradient"), args.real_mut("bias_gradient"));
        let n = params.n as usize;
        let rows = rows_in_use(counters, params.m);
        let (means, reciprocals) = statistics.split_at(n);
        let normalized = |row: usize, column: usize| (a[row * n + column] - means[column]) * reciprocals[column];
        let columns = weight_gradient.par_iter_mut().zip(bias_gradient.par_iter_mut()).enumerate();
        columns.with_min_len((4096 / rows.max(1)).max(1)).for_each(|(column, (product_sum, sum))| {
            *product_sum = (0..rows).map(|row| gradient[row * n + column] * normalized(row, column)).sum();
            *sum = (0..rows).map(|row| gradient[row * n + column]).sum();
        });
        let count = T::of(rows as f64);
        each_row(out, n, |row, out| {
            if row >= rows {
                return out.fill(T::zero());
            }
            for (column, out) in out.iter_mut().enumerate() {
                let product_mean = weight_gradient[column] / count;
                let g_mean = bias_gradient[column] / count;
                let scale = weight[column] * reciprocals[column];
                *out = scale * (gradient[row * n + column] - g_mean - normalized(row, column) * product_mean);
            }
        });
    }

    /// As for layer norm: sums cost rows + 3 roundings of the magnitudes of their terms (Higham, "Accuracy and
    /// Stability of Numerical Algorithms", 2nd ed., eq. 4.4), and the output at most rows + 12 of its three terms'.
    fn tolerance(&self, case: &Case<BatchNormGradientParams>, output: &str, values: &Values) -> Tolerance {
        let BatchNormGradientParams { m, n } = case.params;
        let n = n as usize;
        let rows = rows_in_use(values.words("counters"), m);
        let (gradient, a, weight) = (values.before("gradient"), values.before("a"), values.before("weight"));
        let (means, reciprocals) = values.before("statistics").split_at(n);
        let normalized = |i: usize| ((a[i] - means[i % n]) * reciprocals[i % n]).abs();
        let (mut product_sums, mut sums) = (vec![0.0; n], vec![0.0; n]);
        for i in 0..rows * n {
            product_sums[i % n] += gradient[i].abs() * normalized(i);
            sums[i % n] += gradient[i].abs();
        }
        let tiny = f64::from(f32::MIN_POSITIVE);
        let bound = |i: usize| {
            let (product_mean, g_mean) = (product_sums[i % n] / rows as f64, sums[i % n] / rows as f64);
            let magnitude = gradient[i].abs() + g_mean + normalized(i) * product_mean;
            roundings(rows + 12) * (weight[i % n] * reciprocals[i % n]).abs() * magnitude + tiny
        };
        let sum = |sums: &[f64]| sums.iter().map(|sum| roundings(rows + 3) * sum + tiny).collect();
        let hard = match output {
            "weight_gradient" => sum(&product_sums),
            "bias_gradient" => sum(&sums),
            _ => (0..m as usize * n).map(|i| if i / n < rows { bound(i) } else { tiny }).collect(),
        };
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![
            Relation::Apart("n"),
            Relation::Proportional { of: &["gradient"], outputs: &["out", "weight_gradient", "bias_gradient"] },
        ]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<BatchNormGradientParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(BatchNormGradientParams { m, n }, kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<BatchNormGradientParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        match binding {
            "counters" => Some(some_rows(case.params.m, random)),
            "statistics" => {
                let mut means = fill_saved(case.inputs, "mean", elements / 2, random)?;
                means.extend(fill_saved(case.inputs, "reciprocal", elements / 2, random)?);
                Some(means)
            }
            _ => fill_saved(case.inputs, binding, elements, random),
        }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "product_sum / f32(rows)", to: "product_sum / f32(params.m)" },
            ShaderFault { from: "weight[column] * reciprocal", to: "weight[column]" },
        ]
    }
}

impl Registered for BatchNormGradientKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

impl Op for BatchNormGradientOp {
    /// The upstream gradient and the input `[m, n]`, weight, statistics and counters give the gradients of the input
    /// `[m, n]`, of the weight and of the bias `[n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match inputs[0].extents() {
            &[_, n] if inputs[0] == inputs[1] => {
                Ok(vec![inputs[0].clone(), TensorType::f32([n]), TensorType::f32([n])])
            }
            _ => Err(mistake(format!("gradient of shape {} for a batch norm of {}", inputs[0], inputs[1]))),
        }
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let given = ["gradient", "a", "weight", "statistics", "counters"].into_iter().zip(inputs.iter().copied());
        let made = ["out", "weight_gradient", "bias_gradient"].into_iter().zip(outputs.iter().copied());
        let bindings: Vec<_> = given.chain(made).collect();
        cx.dispatch(&BatchNormGradientKernel, BatchNormGradientParams { m, n }, &bindings)
    }
}
