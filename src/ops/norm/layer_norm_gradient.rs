//! out = reciprocal (g - mean(g) - x mean(g x)) in each row, with g = gradient weight and x = (a - mean) reciprocal.
//!
//! The chain rule through mean and variance, as in Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3, for
//! rows instead of columns. [`crate::ops::norm::layer_norm_weight_gradient`] computes the gradients of weight and bias.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, bits, each_row, linear_groups, roundings, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`LayerNormGradientKernel`] and of [`crate::ops::norm::layer_norm_weight_gradient::LayerNormWeightGradientKernel`].
    pub struct LayerNormGradientParams {
        /// Rows.
        pub m: u32,
        /// Columns.
        pub n: u32,
    }
}

/// The gradient with respect to the input of [`crate::ops::norm::layer_norm::LayerNormKernel`].
#[derive(Debug)]
pub struct LayerNormGradientKernel;

/// [`LayerNormGradientKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormGradientOp;

/// Input and statistics for a norm's gradient. Mean and reciprocal are treated as exact, so they need not match the
/// input.
pub(in crate::ops) fn fill_saved(
    inputs: Inputs,
    binding: &str,
    elements: usize,
    random: &mut Random,
) -> Option<Vec<u32>> {
    let extreme = inputs == Inputs::Extreme;
    let offset = if extreme { 1e3 } else { 0.0 };
    // A standard deviation down to the root of epsilon, for zero variance.
    let largest = if extreme { 316.0 } else { 2.0 };
    match binding {
        "a" if extreme => Some(bits((0..elements).map(|_| offset + random.normal() as f32))),
        "mean" => Some(bits((0..elements).map(|_| offset + 0.1 * random.normal() as f32))),
        "reciprocal" => Some(bits((0..elements).map(|_| random.between(0.5, largest)))),
        _ => None,
    }
}

/// [`fill_saved`] with the statistics of a layer norm, interleaved per row.
pub(in crate::ops) fn fill(inputs: Inputs, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
    if binding != "statistics" {
        return fill_saved(inputs, binding, elements, random);
    }
    let mean = fill_saved(inputs, "mean", elements / 2, random)?;
    let reciprocal = fill_saved(inputs, "reciprocal", elements / 2, random)?;
    Some(mean.into_iter().zip(reciprocal).flat_map(|(mean, reciprocal)| [mean, reciprocal]).collect())
}

impl Kernel for LayerNormGradientKernel {
    type Params = LayerNormGradientParams;

    fn name(&self) -> &'static str {
        "layer_norm_gradient"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/layer_norm_gradient.wgsl")])]
    }

    fn groups(&self, params: &LayerNormGradientParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    /// Six for the sums, seven for the output.
    fn flops(&self, params: &LayerNormGradientParams) -> u64 {
        operations(13, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &LayerNormGradientParams, args: &mut Args<'_, T>) {
        let (gradient, a, weight) = (args.real("gradient"), args.real("a"), args.real("weight"));
        let (statistics, out) = (args.real("statistics"), args.real_mut("out"));
        let n = params.n as usize;
        each_row(out, n, |row, out| {
            let (mean, reciprocal) = (statistics[2 * row], statistics[2 * row + 1]);
            let terms = || {
                let elements = gradient[row * n..].iter().zip(&a[row * n..]).zip(weight);
                elements.map(|((&gradient, &a), &weight)| (gradient * weight, (a - mean) * reciprocal))
            };
            let (mut sum, mut product_sum) = (T::zero(), T::zero());
            for (g, normalized) in terms() {
                sum += g;
                product_sum += g * normalized;
            }
            let g_mean = sum / T::of(n as f64);
            let product_mean = product_sum / T::of(n as f64);
            for (out, (g, normalized)) in out.iter_mut().zip(terms()) {
                *out = reciprocal * (g - g_mean - normalized * product_mean);
            }
        });
    }

    /// n + 12 roundings of the magnitudes of the three terms: at most n + 6 in a mean (four in each product, n - 1 in
    /// the sum, three in the quotient), and six in combining them. Inputs are exact, so no difference cancels.
    fn tolerance(&self, case: &Case<LayerNormGradientParams>, _output: &str, values: &Values) -> Tolerance {
        let n = case.params.n as usize;
        let (gradient, a, weight) = (values.before("gradient"), values.before("a"), values.before("weight"));
        let mut hard = Vec::new();
        for (row, statistics) in values.before("statistics").chunks_exact(2).enumerate() {
            let (mean, reciprocal) = (statistics[0], statistics[1]);
            let magnitude = |j: usize| (gradient[row * n + j] * weight[j]).abs();
            let normalized = |j: usize| ((a[row * n + j] - mean) * reciprocal).abs();
            let g_mean = (0..n).map(magnitude).sum::<f64>() / n as f64;
            let product_mean = (0..n).map(|j| magnitude(j) * normalized(j)).sum::<f64>() / n as f64;
            let bound = |j| reciprocal * (magnitude(j) + g_mean + normalized(j) * product_mean);
            hard.extend((0..n).map(|j| roundings(n + 12) * bound(j) + f64::from(f32::MIN_POSITIVE)));
        }
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Proportional { of: &["gradient"], outputs: &["out"] }]
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
        &[ShaderFault { from: "g - g_mean", to: "g" }, ShaderFault { from: "- normalized * product_mean", to: "" }]
    }
}

impl Registered for LayerNormGradientKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

impl Op for LayerNormGradientOp {
    /// The upstream gradient and the input `[m, n]`, weight and statistics give `[m, n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("gradient of shape {} for a layer norm of {}", inputs[0], inputs[1])))
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let given = [("gradient", inputs[0]), ("a", inputs[1]), ("weight", inputs[2]), ("statistics", inputs[3])];
        let bindings = [&given[..], &[("out", outputs[0])]].concat();
        cx.dispatch(&LayerNormGradientKernel, LayerNormGradientParams { m, n }, &bindings)
    }
}
