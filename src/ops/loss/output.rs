//! Losses that are a mean over a row's outputs: squared, absolute, Huber, and binary cross-entropy.
//!
//! loss_i = sum over j of term(x_ij, y_ij) / n, with y_ij = \[j = label_i] and x the logits or their softmax; the
//! gradient is that of the mean of loss_i over the valid rows. Both means are thus over elements, as in Keras and
//! PyTorch. Absolute and squared error: Goodfellow, Bengio and Courville, "Deep Learning", section 6.2.1; Huber: P. J.
//! Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35, 1964, with delta for his
//! k; binary cross-entropy: C. M. Bishop, "Pattern Recognition and Machine Learning", eq. 4.90. Through a softmax,
//! gradient_j = x_j (slope_j - sum over k of x_k slope_k), from its Jacobian x_j (\[j = k] - x_k) (eq. 4.106 there).

use super::measure::Measure;
use super::rows::{each_loss, fill_batch, labels_and_rows};
use crate::error::Result;
use crate::graph::{Form, Lowering, Node, Op, Value};
use crate::kernel::{
    Args, Caps, Case, Constant, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::{kind, softmax_row};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{BITS, COUNTERS, IGNORE_INDEX, LINEAR, UNIT, counter, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`OutputLossKernel`].
    pub struct LossParams {
        /// Rows of the batch.
        pub m: u32,
        /// Outputs, one per class.
        pub n: u32,
        /// Where Huber's loss turns from quadratic to linear, above 0; ignored by the others.
        pub delta: f32,
    }
}

impl LossParams {
    /// With the default delta of Keras and PyTorch: 1.
    pub fn new(m: u32, n: u32) -> Self {
        Self { m, n, delta: 1.0 }
    }
}

/// The loss of each row, and the gradient of the mean loss. [`ALL`](super::ALL) lists all instances.
#[derive(Debug)]
pub struct OutputLossKernel {
    name: &'static str,
    softmax: bool,
    measure: Measure,
    faults: &'static [ShaderFault],
}

/// Mean squared error of the logits.
pub static MSE: OutputLossKernel = OutputLossKernel {
    name: "mse_loss",
    softmax: false,
    measure: Measure::Squared,
    faults: &[
        ShaderFault { from: "2.0 * (x - y)", to: "(x - y)" },
        ShaderFault { from: "loss / f32(params.n)", to: "loss" },
    ],
};
/// Mean squared error of the softmax of the logits.
pub static SOFTMAX_MSE: OutputLossKernel = OutputLossKernel {
    name: "softmax_mse_loss",
    softmax: true,
    measure: Measure::Squared,
    faults: &[
        ShaderFault { from: "x * (g - mean_slope)", to: "x * g" },
        ShaderFault { from: "mean_slope += x * slope(x, y)", to: "mean_slope += slope(x, y)" },
    ],
};
/// Mean absolute error of the logits.
pub static L1: OutputLossKernel = OutputLossKernel {
    name: "l1_loss",
    softmax: false,
    measure: Measure::Absolute,
    faults: &[
        ShaderFault { from: "sign(x - y)", to: "sign(x)" },
        ShaderFault { from: "broken || is_not_finite(z)", to: "is_not_finite(z)" },
    ],
};
/// Huber loss of the logits.
pub static HUBER: OutputLossKernel = OutputLossKernel {
    name: "huber_loss",
    softmax: false,
    measure: Measure::Huber,
    faults: &[
        ShaderFault { from: "0.5 * params.delta", to: "params.delta" },
        ShaderFault { from: "distance <= params.delta", to: "distance >= params.delta" },
    ],
};
/// Binary cross-entropy of the sigmoid of each logit: classes are independent.
pub static BINARY_CROSS_ENTROPY: OutputLossKernel = OutputLossKernel {
    name: "binary_cross_entropy_loss",
    softmax: false,
    measure: Measure::BinaryCrossEntropy,
    faults: &[ShaderFault { from: "exp(-abs(x))", to: "exp(-x)" }, ShaderFault { from: "x >= 0.0", to: "x >= 1.0" }],
};

/// Target of output j for this label.
fn wanted<T: Real>(label: usize, j: usize) -> T {
    if j == label { T::one() } else { T::zero() }
}

impl OutputLossKernel {
    /// Returns the loss of a row, and writes its gradient.
    fn row<T: Real>(&self, logits: &[T], label: usize, delta: T, gradient: &mut [T]) -> T {
        // The outputs first, each then replaced by its gradient.
        if self.softmax {
            softmax_row(logits, gradient);
        } else {
            gradient.copy_from_slice(logits);
        }
        let (mut loss, mut mean_slope) = (T::zero(), T::zero());
        for (j, &x) in gradient.iter().enumerate() {
            let y = wanted(label, j);
            loss += self.measure.term(x, y, delta);
            mean_slope += x * self.measure.slope(x, y, delta);
        }
        let n = T::of(logits.len() as f64);
        for (j, g) in gradient.iter_mut().enumerate() {
            let slope = self.measure.slope(*g, wanted(label, j), delta);
            *g = (if self.softmax { *g * (slope - mean_slope) } else { slope }) / n;
        }
        loss / n
    }

    /// Error bounds of a row's loss and gradient; see [`Kernel::tolerance`].
    fn row_errors(&self, logits: &[f64], label: usize, delta: f64) -> (f64, Vec<f64>) {
        let n = logits.len() as f64;
        let mut outputs = logits.to_vec();
        if self.softmax {
            softmax_row(logits, &mut outputs);
        }
        let output_error = |x: f64| if self.softmax { 1e-6 + n * UNIT * x } else { 0.0 };
        let (mut terms, mut term_errors) = (0.0, 0.0);
        let (mut mean_slope, mut mean_slope_error) = (0.0, 0.0);
        let mut slopes = Vec::new();
        for (j, &x) in outputs.iter().enumerate() {
            let y = wanted(label, j);
            let (term, slope) = (self.measure.term(x, y, delta), self.measure.slope(x, y, delta));
            let error = output_error(x);
            // Only squared error is combined with softmax: its slope changes twice as fast as x.
            let slope_error = self.measure.slope_error(slope) + 2.0 * error;
            terms += term;
            term_errors += self.measure.term_error(term) + slope.abs() * error + error * error;
            mean_slope += x * slope;
            mean_slope_error += (error + (n + 2.0) * UNIT * x) * slope.abs() + x * slope_error;
            slopes.push((x, error, slope, slope_error));
        }
        let of = |(x, error, slope, slope_error): (f64, f64, f64, f64)| {
            if !self.softmax {
                return (slope_error + 8.0 * UNIT * slope.abs()) / n;
            }
            let rest = slope - mean_slope;
            ((error + 8.0 * UNIT * x) * rest.abs() + (x + error) * (slope_error + mean_slope_error)) / n
        };
        ((term_errors + (n + 4.0) * UNIT * terms) / n, slopes.into_iter().map(of).collect())
    }
}

impl Kernel for OutputLossKernel {
    type Params = LossParams;

    fn name(&self) -> &'static str {
        self.name
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        let shader = include_str!("../../../shaders/loss.wgsl");
        let parts = [LINEAR, COUNTERS, BITS, shader, self.measure.source()];
        vec![Variant::new("plain", &[("SOFTMAX", Constant::Bool(self.softmax))], &parts)]
    }

    fn groups(&self, params: &LossParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    /// Term, slope, sum and scale; a softmax costs 5 more, and its gradient 4.
    fn flops(&self, params: &LossParams) -> u64 {
        let each = if self.softmax { 17 } else { 8 };
        operations(each, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &LossParams, args: &mut Args<'_, T>) {
        let (logits, labels, counters) = (args.real("logits"), args.word("labels"), args.word("counters"));
        let (losses, gradient) = (args.real_mut("losses"), args.real_mut("gradient"));
        let delta = T::of(params.delta.into());
        let rows = T::of(counters[counter::ROWS].into());
        each_loss((logits, labels), (losses, gradient), |logits, label, gradient| {
            let loss = self.row(logits, label, delta, gradient);
            gradient.iter_mut().for_each(|g| *g = *g / rows);
            loss
        });
    }

    /// First-order error analysis of the shader. Outputs: exact, or softmax's bound. Terms and slopes: the measure's
    /// bounds, plus the output's error times slope and curvature. Sums of n numbers: n units of the sum of their
    /// magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., eq. 4.4). Quotients and scales:
    /// at most 8 units. Invalid rows are zero.
    fn tolerance(&self, case: &Case<LossParams>, output: &str, values: &Values) -> Tolerance {
        let n = case.params.n as usize;
        let (labels, rows_used) = labels_and_rows(values);
        let mut hard = Vec::with_capacity(values.after(output).len());
        for (logits, &label) in values.before("logits").chunks_exact(n).zip(labels) {
            // Invalid rows are zero, whatever their logits.
            let if_used = |bound: f64| if label == IGNORE_INDEX { 0.0 } else { bound };
            let (loss, gradient) = self.row_errors(logits, label as usize, case.params.delta.into());
            let tiny = f64::from(f32::MIN_POSITIVE);
            if output == "losses" {
                hard.push(if_used(loss + tiny));
            } else {
                hard.extend(gradient.iter().map(|g| if_used(g / rows_used + tiny)));
            }
        }
        Tolerance { hard, soft: None }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        self.faults
    }

    fn relations(&self) -> Vec<Relation> {
        let shifted = self.softmax.then_some(Relation::Shifted("logits"));
        std::iter::once(Relation::Apart("m")).chain(shifted).collect()
    }

    fn cases(&self, effort: Effort) -> Vec<Case<LossParams>> {
        let delta = |i: usize| [1.0, 0.3][i % 2];
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(LossParams { m, n, delta: delta(i) }, kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<LossParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        fill_batch([case.params.m, case.params.n], case.inputs, binding, n, random)
    }
}

impl Registered for OutputLossKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        let op = LossOp { loss: self, delta: LossParams::new(0, 0).delta };
        let name = self.name.trim_end_matches("_loss");
        GradientCheck::of_loss(name, move |graph, p, given| graph.apply(op, &[p[0], given.labels, given.counters]))
    }
}

/// A loss as an op, with its delta: logits `[m, n]`, labels `[m]` and counters give losses `[m]` and, as output 1, the
/// logits' gradient.
#[derive(Clone, Copy, Debug)]
pub struct LossOp {
    /// The loss.
    pub loss: &'static OutputLossKernel,
    /// See [`LossParams::delta`].
    pub delta: f32,
}

impl LossOp {
    /// With the delta of [`LossParams::new`].
    pub fn new(loss: &'static OutputLossKernel) -> Self {
        Self { loss, delta: LossParams::new(0, 0).delta }
    }
}

impl Op for LossOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        crate::ops::support::loss_outputs(inputs)
    }

    fn objective(&self, node: &Node) -> Option<Vec<Option<Value>>> {
        Some(vec![Some(node.outputs[1]), None, None])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let params = LossParams { m, n, delta: self.delta };
        cx.dispatch(self.loss, params, &crate::ops::support::loss_bindings(inputs, outputs))
    }
}
