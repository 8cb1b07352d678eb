//! out\[i, j] = (a\[i, j] - running_mean\[j]) / sqrt(running_variance\[j] + epsilon) weight\[j] + bias\[j]: Ioffe and
//! Szegedy, "Batch Normalization", ICML 2015, algorithm 2, with the running state of [`crate::ops::norm::batch_norm`].

use crate::error::Result;
use crate::graph::{Form, Lowering, Op};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::norm::moments::some_rows;
use crate::ops::support::{COUNTERS, LINEAR, UNIT, bits, counter, each_row, linear_groups, roundings, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`BatchNormEvaluateKernel`].
    pub struct BatchNormEvaluateParams {
        /// Rows of the batch.
        pub m: u32,
        /// Columns.
        pub n: u32,
        /// Added to the variance, as in training.
        pub epsilon: f32,
    }
}

impl BatchNormEvaluateParams {
    /// With an epsilon of 1e-5.
    pub fn new(m: u32, n: u32) -> Self {
        Self { m, n, epsilon: 1e-5 }
    }
}

/// Normalizes each column in evaluation. Invalid rows give zeros.
#[derive(Debug)]
pub struct BatchNormEvaluateKernel;

impl Kernel for BatchNormEvaluateKernel {
    type Params = BatchNormEvaluateParams;

    fn name(&self) -> &'static str {
        "batch_norm_evaluate"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, COUNTERS, include_str!("../../../shaders/batch_norm_evaluate.wgsl")])]
    }

    fn groups(&self, params: &BatchNormEvaluateParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.m) * u64::from(params.n))
    }

    fn flops(&self, params: &BatchNormEvaluateParams) -> u64 {
        operations(6, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &BatchNormEvaluateParams, args: &mut Args<'_, T>) {
        let (a, weight, bias) = (args.real("a"), args.real("weight"), args.real("bias"));
        let (running_mean, running_variance) = (args.real("running_mean"), args.real("running_variance"));
        let (counters, out) = (args.word("counters"), args.real_mut("out"));
        let n = params.n as usize;
        let epsilon = T::of(params.epsilon.into());
        each_row(out, n, |row, out| {
            if row >= counters[counter::ROWS] as usize {
                return out.fill(T::zero());
            }
            for (column, out) in out.iter_mut().enumerate() {
                let reciprocal = (running_variance[column] + epsilon).sqrt().recip();
                let normalized = (a[row * n + column] - running_mean[column]) * reciprocal;
                *out = normalized * weight[column] + bias[column];
            }
        });
    }

    /// Six roundings of the normalized value times its weight (one in the difference of exact numbers, half of one in
    /// the sum below the root, two of WGSL's reciprocal root, two in products), and one of the result.
    fn tolerance(&self, case: &Case<BatchNormEvaluateParams>, output: &str, values: &Values) -> Tolerance {
        let BatchNormEvaluateParams { n, epsilon, .. } = case.params;
        let n = n as usize;
        let rows = values.words("counters")[counter::ROWS] as usize;
        let (a, weight, out) = (values.before("a"), values.before("weight"), values.after(output));
        let (running_mean, running_variance) = (values.before("running_mean"), values.before("running_variance"));
        let bound = |i: usize| {
            let (row, column) = (i / n, i % n);
            if row >= rows {
                return f64::from(f32::MIN_POSITIVE);
            }
            let reciprocal = 1.0 / (running_variance[column] + f64::from(epsilon)).sqrt();
            let scaled = (a[i] - running_mean[column]) * reciprocal * weight[column];
            roundings(6) * scaled.abs() + UNIT * out[i].abs() + f64::from(f32::MIN_POSITIVE)
        };
        Tolerance { hard: (0..out.len()).map(bound).collect(), soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["weight", "bias"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<BatchNormEvaluateParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(BatchNormEvaluateParams::new(m, n), kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<BatchNormEvaluateParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        let extreme = case.inputs == Inputs::Extreme;
        match binding {
            "counters" => Some(some_rows(case.params.m, random)),
            // Every third column never varied.
            "running_variance" if extreme => {
                Some(bits((0..elements).map(|i| if i % 3 == 0 { 0.0 } else { random.uniform() })))
            }
            "running_variance" => Some(bits((0..elements).map(|_| random.between(0.1, 2.0)))),
            "a" | "running_mean" if extreme => Some(bits((0..elements).map(|_| 1e3 + random.normal() as f32))),
            _ => None,
        }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "running_variance[column] + params.epsilon", to: "running_variance[column]" },
            ShaderFault { from: "i / params.n < counters[ROWS]", to: "i / params.n <= counters[ROWS]" },
        ]
    }
}

impl Registered for BatchNormEvaluateKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("evaluation has no gradients; tests/graph_gradients.rs compares it with batch_norm")
    }
}

/// Batch norm in evaluation as an op: `a [m, n]`, `weight [n]`, `bias [n]`, running means and variances `[n]` and the
/// counters give `[m, n]`. It has no gradient.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormEvaluateOp {
    /// Added to the variance, as in training.
    pub epsilon: f32,
}

impl Default for BatchNormEvaluateOp {
    /// The epsilon of [`BatchNormEvaluateParams::new`].
    fn default() -> Self {
        Self { epsilon: BatchNormEvaluateParams::new(0, 0).epsilon }
    }
}

impl Op for BatchNormEvaluateOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        crate::ops::norm::layer_norm::norm_extents("batch norm", &inputs[..5])?;
        Ok(vec![inputs[0].clone()])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let names = ["a", "weight", "bias", "running_mean", "running_variance", "counters"];
        let given = names.into_iter().zip(inputs.iter().copied());
        let bindings: Vec<_> = given.chain([("out", outputs[0])]).collect();
        cx.dispatch(&BatchNormEvaluateKernel, BatchNormEvaluateParams { m, n, epsilon: self.epsilon }, &bindings)
    }
}
