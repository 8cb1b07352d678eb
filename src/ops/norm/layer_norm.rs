//! out\[i, j] = (a\[i, j] - mean_i) / sqrt(variance_i + epsilon) weight\[j] + bias\[j], with the moments of row i.
//!
//! Ba, Kiros and Hinton, "Layer Normalization", 2016, equations 3 and 4; epsilon is added to the variance as in Ioffe
//! and Szegedy, "Batch Normalization", ICML 2015, algorithm 1. A row of equal numbers gives the bias.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::norm::moments::{BoundedMoments, MOMENTS, moments, straining_groups};
use crate::ops::support::{LINEAR, bits, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`LayerNormKernel`].
    pub struct LayerNormParams {
        /// Rows.
        pub m: u32,
        /// Columns.
        pub n: u32,
        /// Added to the variance, against division by zero.
        pub epsilon: f32,
    }
}

impl LayerNormParams {
    /// With an epsilon of 1e-5.
    pub fn new(m: u32, n: u32) -> Self {
        Self { m, n, epsilon: 1e-5 }
    }
}

/// Normalizes each row, and saves its mean and 1 / standard deviation for the gradient.
#[derive(Debug)]
pub struct LayerNormKernel;

impl Kernel for LayerNormKernel {
    type Params = LayerNormParams;

    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, MOMENTS, include_str!("../../../shaders/layer_norm.wgsl")])]
    }

    fn groups(&self, params: &LayerNormParams, _variant: &Variant) -> u64 {
        linear_groups(params.m.into())
    }

    /// Two for the mean, three for the variance, four for the output.
    fn flops(&self, params: &LayerNormParams) -> u64 {
        operations(9, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &LayerNormParams, args: &mut Args<'_, T>) {
        let (a, weight, bias) = (args.real("a"), args.real("weight"), args.real("bias"));
        let (out, statistics) = (args.real_mut("out"), args.real_mut("statistics"));
        let n = params.n as usize;
        let rows = a.par_chunks(n).zip(out.par_chunks_mut(n)).zip(statistics.par_chunks_mut(2));
        rows.with_min_len((4096 / n).max(1)).for_each(|((a, out), statistics)| {
            let [mean, variance] = moments(a.iter().copied());
            let reciprocal = (variance + T::of(params.epsilon.into())).sqrt().recip();
            statistics[0] = mean;
            statistics[1] = reciprocal;
            for (((out, &a), &weight), &bias) in out.iter_mut().zip(a).zip(weight).zip(bias) {
                *out = (a - mean) * reciprocal * weight + bias;
            }
        });
    }

    /// The bounds of the row's moments.
    fn tolerance(&self, case: &Case<LayerNormParams>, output: &str, values: &Values) -> Tolerance {
        let n = case.params.n as usize;
        let (weight, out) = (values.before("weight"), values.after("out"));
        let mut hard = Vec::new();
        for (a, out) in values.before("a").chunks_exact(n).zip(out.chunks_exact(n)) {
            let row = BoundedMoments::of(a.iter().copied(), case.params.epsilon);
            if output == "statistics" {
                hard.extend([row.mean_bound + f64::from(f32::MIN_POSITIVE), row.reciprocal_bound]);
            } else {
                let elements = a.iter().zip(weight).zip(out);
                hard.extend(elements.map(|((&a, &weight), &out)| row.normalized_bound(a, weight, out)));
            }
        }
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Proportional { of: &["weight", "bias"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<LayerNormParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(LayerNormParams::new(m, n), kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<LayerNormParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        if binding != "a" || case.inputs != Inputs::Extreme {
            return None;
        }
        let n = case.params.n;
        let rows = straining_groups(case.params.m, random);
        Some(bits(
            rows.iter()
                .flat_map(|row| (0..n).map(|_| *row))
                .map(|[offset, scale]| offset + scale * random.normal() as f32),
        ))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "start + i * stride] - shift", to: "start + i * stride]" },
            ShaderFault { from: "both.y + params.epsilon", to: "both.y" },
            ShaderFault { from: "squares / f32(count)", to: "squares / f32(count - 1u)" },
            ShaderFault { from: "weight[j] + bias[j]", to: "weight[j] - bias[j]" },
        ]
    }
}

impl Registered for LayerNormKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("layer_norm", &[&[4, 5], &[5], &[5]], |graph, p, _| graph.apply(LayerNormOp::default(), p))
    }
}

/// Layer norm as an op: `a [m, n]`, `weight [n]` and `bias [n]` give `[m, n]` and, as output 1, the statistics `[m, 2]`
/// needed for its gradient.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormOp {
    /// Added to the variance; see [`LayerNormParams::epsilon`].
    pub epsilon: f32,
}

impl Default for LayerNormOp {
    /// The epsilon of [`LayerNormParams::new`].
    fn default() -> Self {
        Self { epsilon: LayerNormParams::new(0, 0).epsilon }
    }
}

/// m and n of a norm's input `[m, n]`, if weight, bias and all other per-column inputs are `[n]`.
pub(in crate::ops) fn norm_extents(name: &str, inputs: &[&TensorType]) -> Result<[usize; 2]> {
    match inputs[0].extents() {
        &[m, n] if inputs[1..].iter().all(|shape| shape.extents() == [n]) => Ok([m, n]),
        _ => {
            let shapes: Vec<_> = inputs[1..].iter().map(|shape| shape.to_string()).collect();
            Err(mistake(format!("a {name} of {} with weight, bias and moments {}", inputs[0], shapes.join(", "))))
        }
    }
}

impl Op for LayerNormOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [m, _] = norm_extents("layer norm", inputs)?;
        Ok(vec![inputs[0].clone(), TensorType::f32([m, 2])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let (a, weight, statistics) = (node.inputs[0], node.inputs[1], node.outputs[1]);
        let of_a = graph
            .apply(crate::ops::norm::layer_norm_gradient::LayerNormGradientOp, &[upstream, a, weight, statistics])?;
        let of_weights = crate::ops::norm::layer_norm_weight_gradient::LayerNormWeightGradientOp;
        let of_weight = graph.apply(of_weights, &[upstream, a, statistics])?;
        Ok(vec![Some(of_a), Some(of_weight), graph.output(of_weight, 1)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let given = [("a", inputs[0]), ("weight", inputs[1]), ("bias", inputs[2])];
        let bindings = [&given[..], &[("out", outputs[0]), ("statistics", outputs[1])]].concat();
        cx.dispatch(&LayerNormKernel, LayerNormParams { m, n, epsilon: self.epsilon }, &bindings)
    }
}
