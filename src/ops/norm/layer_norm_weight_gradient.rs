//! weight_gradient\[j] = sum over i of gradient\[i, j] (a\[i, j] - mean_i) reciprocal_i, and
//! bias_gradient\[j] = sum over i of gradient\[i, j]: the chain rule on Ba, Kiros and Hinton, "Layer Normalization",
//! 2016, equation 4.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::norm::layer_norm_gradient::{LayerNormGradientParams, fill};
use crate::ops::support::{LINEAR, linear_groups, roundings, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;
use rayon::prelude::*;

/// The gradients with respect to weight and bias of [`crate::ops::norm::layer_norm::LayerNormKernel`].
#[derive(Debug)]
pub struct LayerNormWeightGradientKernel;

/// [`LayerNormWeightGradientKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormWeightGradientOp;

impl Kernel for LayerNormWeightGradientKernel {
    type Params = LayerNormGradientParams;

    fn name(&self) -> &'static str {
        "layer_norm_weight_gradient"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/layer_norm_weight_gradient.wgsl")])]
    }

    fn groups(&self, params: &LayerNormGradientParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &LayerNormGradientParams) -> u64 {
        operations(5, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &LayerNormGradientParams, args: &mut Args<'_, T>) {
        let (gradient, a, statistics) = (args.real("gradient"), args.real("a"), args.real("statistics"));
        let (weight_gradient, bias_gradient) = (args.real_mut("weight_gradient"), args.real_mut("bias_gradient"));
        let n = params.n as usize;
        let block = if a.len() < 1 << 15 { n } else { 256 };
        let columns = weight_gradient.par_chunks_mut(block).zip(bias_gradient.par_chunks_mut(block));
        columns.enumerate().for_each(|(task, (weight_gradient, bias_gradient))| {
            weight_gradient.fill(T::zero());
            bias_gradient.fill(T::zero());
            let rows = gradient.chunks_exact(n).zip(a.chunks_exact(n)).zip(statistics.chunks_exact(2));
            for ((gradient, a), statistics) in rows {
                let elements = gradient[task * block..].iter().zip(&a[task * block..]);
                let sums = weight_gradient.iter_mut().zip(bias_gradient.iter_mut());
                for ((product_sum, sum), (&gradient, &a)) in sums.zip(elements) {
                    let normalized = (a - statistics[0]) * statistics[1];
                    *product_sum += gradient * normalized;
                    *sum += gradient;
                }
            }
        });
    }

    /// A sum of m terms in any order (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., eq. 4.4), of
    /// the magnitudes of the terms, each with at most three roundings.
    fn tolerance(&self, case: &Case<LayerNormGradientParams>, output: &str, values: &Values) -> Tolerance {
        let LayerNormGradientParams { m, n } = case.params;
        let n = n as usize;
        let mut hard = vec![f64::from(f32::MIN_POSITIVE); n];
        let rows = values.before("gradient").chunks_exact(n).zip(values.before("a").chunks_exact(n));
        for ((gradient, a), statistics) in rows.zip(values.before("statistics").chunks_exact(2)) {
            for ((hard, gradient), a) in hard.iter_mut().zip(gradient).zip(a) {
                let factor = if output == "weight_gradient" { (a - statistics[0]) * statistics[1] } else { 1.0 };
                *hard += roundings(m as usize + 3) * (gradient * factor).abs();
            }
        }
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![
            Relation::Apart("n"),
            Relation::Proportional { of: &["gradient"], outputs: &["weight_gradient", "bias_gradient"] },
        ]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<LayerNormGradientParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(LayerNormGradientParams { m, n }, kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<LayerNormGradientParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        fill(case.inputs, binding, elements, random)
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "* statistics[2u * row + 1u]", to: "" },
            ShaderFault { from: "row < params.m", to: "row + 1u < params.m" },
        ]
    }
}

impl Registered for LayerNormWeightGradientKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

impl Op for LayerNormWeightGradientOp {
    /// The upstream gradient and the input `[m, n]`, and the statistics, give the gradients of weight and bias `[n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match inputs[0].extents() {
            &[_, n] if inputs[0] == inputs[1] => Ok(vec![TensorType::f32([n]), TensorType::f32([n])]),
            _ => Err(mistake(format!("gradient of shape {} for a layer norm of {}", inputs[0], inputs[1]))),
        }
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let given = [("gradient", inputs[0]), ("a", inputs[1]), ("statistics", inputs[2])];
        let bindings = [&given[..], &[("weight_gradient", outputs[0]), ("bias_gradient", outputs[1])]].concat();
        cx.dispatch(&LayerNormWeightGradientKernel, LayerNormGradientParams { m, n }, &bindings)
    }
}
