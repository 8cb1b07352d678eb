//! out\[i, j] = p\[i, j] (gradient\[i, j] - sum over k of gradient\[i, k] p\[i, k]), with the probabilities p from
//! [`crate::ops::elementwise::softmax`]: its Jacobian p_j (\[j = k] - p_k) (C. M. Bishop, "Pattern Recognition and
//! Machine Learning", eq. 4.106) times the gradient.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::{SoftmaxParams, extreme_logits, kind, softmax_row};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, bits, each_row, linear_groups, roundings, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

/// The gradient with respect to the logits of [`crate::ops::elementwise::softmax::SoftmaxKernel`].
#[derive(Debug)]
pub struct SoftmaxGradientKernel;

/// [`SoftmaxGradientKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxGradientOp;

impl Kernel for SoftmaxGradientKernel {
    type Params = SoftmaxParams;

    fn name(&self) -> &'static str {
        "softmax_gradient"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/softmax_gradient.wgsl")])]
    }

    fn groups(&self, params: &SoftmaxParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    /// Product and sum, difference and product.
    fn flops(&self, params: &SoftmaxParams) -> u64 {
        operations(4, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &SoftmaxParams, args: &mut Args<'_, T>) {
        let (gradient, probabilities) = (args.real("gradient"), args.real("probabilities"));
        let out = args.real_mut("out");
        let n = params.n as usize;
        each_row(out, n, |row, out| {
            let (gradient, probabilities) = (&gradient[row * n..][..n], &probabilities[row * n..][..n]);
            let sum: T = gradient.iter().zip(probabilities).map(|(&g, &p)| g * p).sum();
            for ((out, &g), &p) in out.iter_mut().zip(gradient).zip(probabilities) {
                *out = p * (g - sum);
            }
        });
    }

    /// The sum has n + 1 roundings of the magnitudes of its terms (Higham, "Accuracy and Stability of Numerical
    /// Algorithms", 2nd ed., eq. 4.4), difference and product one each.
    fn tolerance(&self, case: &Case<SoftmaxParams>, _output: &str, values: &Values) -> Tolerance {
        let n = case.params.n as usize;
        let (gradient, probabilities) = (values.before("gradient"), values.before("probabilities"));
        let mut hard = Vec::with_capacity(gradient.len());
        for (gradient, probabilities) in gradient.chunks_exact(n).zip(probabilities.chunks_exact(n)) {
            let sum: f64 = gradient.iter().zip(probabilities).map(|(g, p)| (g * p).abs()).sum();
            let bound = |(g, p): (&f64, &f64)| roundings(n + 3) * p.abs() * (g.abs() + sum);
            let elements = gradient.iter().zip(probabilities);
            hard.extend(elements.map(|element| bound(element) + f64::from(f32::MIN_POSITIVE)));
        }
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Proportional { of: &["gradient"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<SoftmaxParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(SoftmaxParams { m, n }, kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    /// Probabilities from a softmax; in extreme rows many are zero.
    fn fill(
        &self,
        case: &Case<SoftmaxParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        if binding != "probabilities" || case.inputs == Inputs::Integers {
            return None;
        }
        let logits: Vec<f32> = match case.inputs {
            Inputs::Extreme => {
                extreme_logits(case.params.n, elements, random).into_iter().map(f32::from_bits).collect()
            }
            _ => (0..elements).map(|_| random.normal() as f32).collect(),
        };
        let mut probabilities = logits.clone();
        let n = case.params.n as usize;
        for (logits, out) in logits.chunks_exact(n).zip(probabilities.chunks_exact_mut(n)) {
            softmax_row(logits, out);
        }
        // Values that a device may flush to zero are set to zero.
        Some(bits(probabilities.into_iter().map(|p| if p < 1e-30 { 0.0 } else { p })))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "gradient[start + j] - sum", to: "gradient[start + j]" },
            ShaderFault { from: "j < params.n", to: "j + 1u < params.n" },
            ShaderFault { from: "= probabilities[start + j] *", to: "=" },
        ]
    }
}

impl Registered for SoftmaxGradientKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

impl Op for SoftmaxGradientOp {
    /// The upstream gradient and the probabilities must both be `[m, n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("gradient of shape {} for a softmax of {}", inputs[0], inputs[1])))
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let bindings = [("gradient", inputs[0]), ("probabilities", inputs[1]), ("out", outputs[0])];
        cx.dispatch(&SoftmaxGradientKernel, SoftmaxParams { m, n }, &bindings)
    }
}
