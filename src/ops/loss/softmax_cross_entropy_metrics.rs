//! [`crate::ops::loss::softmax_cross_entropy`] and [`crate::ops::loss::metrics`] in one dispatch of one workgroup,
//! which also saves the step's counters for the next [`crate::ops::batch::begin_batch`].

use crate::error::Result;
use crate::graph::{Form, Lowering, Node, Op, Value};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::loss::metrics::{self, MetricsParams, RECORD_LANES, RECORD_METRICS};
use crate::ops::loss::softmax_cross_entropy::{
    self, ROW, SoftmaxCrossEntropyKernel, SoftmaxCrossEntropyOp, SoftmaxCrossEntropyParams,
};
use crate::ops::support::{BITS, COUNTERS, counter};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`SoftmaxCrossEntropyMetricsKernel`].
    pub struct SoftmaxCrossEntropyMetricsParams {
        /// Rows of the batch.
        pub m: u32,
        /// Classes.
        pub n: u32,
        /// Steps in the ring of metrics.
        pub ring: u32,
    }
}

impl SoftmaxCrossEntropyMetricsParams {
    fn loss(&self) -> SoftmaxCrossEntropyParams {
        SoftmaxCrossEntropyParams { m: self.m, n: self.n }
    }

    fn metrics(&self) -> MetricsParams {
        MetricsParams { m: self.m, n: self.n, ring: self.ring }
    }
}

/// The loss of each row, the gradient of the mean loss, and the metrics of the batch.
#[derive(Debug)]
pub struct SoftmaxCrossEntropyMetricsKernel;

impl Kernel for SoftmaxCrossEntropyMetricsKernel {
    type Params = SoftmaxCrossEntropyMetricsParams;

    fn name(&self) -> &'static str {
        "softmax_cross_entropy_metrics"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        let main = include_str!("../../../shaders/softmax_cross_entropy_metrics.wgsl");
        vec![Variant::plain(&[COUNTERS, BITS, ROW, RECORD_LANES, RECORD_METRICS, main])]
    }

    fn groups(&self, _params: &SoftmaxCrossEntropyMetricsParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, params: &SoftmaxCrossEntropyMetricsParams) -> u64 {
        SoftmaxCrossEntropyKernel.flops(&params.loss()).saturating_add(metrics::MetricsKernel.flops(&params.metrics()))
    }

    /// Everything once, and one entry of the ring.
    fn bytes(&self, params: &SoftmaxCrossEntropyMetricsParams, bound: u64) -> u64 {
        metrics::MetricsKernel.bytes(&params.metrics(), bound)
    }

    fn twin<T: Real>(&self, params: &SoftmaxCrossEntropyMetricsParams, args: &mut Args<'_, T>) {
        let (logits, labels, counters) = (args.real("logits"), args.word("labels"), args.word("counters"));
        let (losses, gradient) = (args.real_mut("losses"), args.real_mut("gradient"));
        let (metrics, last_counters) = (args.real_mut("metrics"), args.word_mut("last_counters"));
        softmax_cross_entropy::each_loss(params.n as usize, logits, labels, counters, losses, gradient);
        metrics::record(&params.metrics(), logits, labels, losses, counters, metrics);
        last_counters.copy_from_slice(counters);
    }

    /// The tolerances of the two fused kernels. The mean includes the error of the losses, and predictions in rows with
    /// non-finite logits are undefined.
    fn tolerance(&self, case: &Case<SoftmaxCrossEntropyMetricsParams>, output: &str, values: &Values) -> Tolerance {
        let of_loss = |output| SoftmaxCrossEntropyKernel.tolerance(&case.map(|params| params.loss()), output, values);
        if output == "last_counters" {
            return Tolerance::exact(counter::COUNT);
        } else if output != "metrics" {
            return of_loss(output);
        }
        let counters = values.words("counters");
        let mut tolerance = metrics::entry_bounds(&case.params.metrics(), values.after("losses"), output, values);
        let entry = metrics::entry(&case.params.metrics(), counters);
        let off: f64 = of_loss("losses").hard.iter().sum();
        tolerance.hard[entry] += off / f64::from(counters[counter::ROWS].max(1));
        let rows = values.before("logits").chunks_exact(case.params.n as usize);
        let broken = rows.filter(|row| row.iter().any(|logit| !logit.is_finite())).count();
        tolerance.hard[entry + 1] += broken as f64;
        tolerance
    }

    fn cases(&self, effort: Effort) -> Vec<Case<SoftmaxCrossEntropyMetricsParams>> {
        let case = |(i, case): (usize, Case<SoftmaxCrossEntropyParams>)| {
            let ring = 1 + (i as u32 * 7) % 40;
            case.map(|&SoftmaxCrossEntropyParams { m, n }| SoftmaxCrossEntropyMetricsParams { m, n, ring })
        };
        SoftmaxCrossEntropyKernel.cases(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<SoftmaxCrossEntropyMetricsParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        let used = case.params.m - case.params.m / 4;
        if binding == "counters" {
            return Some(vec![1 + random.below(100), random.below(9), random.below(1000), used]);
        }
        SoftmaxCrossEntropyKernel.fill(&case.map(|params| params.loss()), binding, elements, random)
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("one sum over all rows")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "losses[row] = row_loss", to: "losses[row] = loss" },
            ShaderFault { from: "right += right_answer(row)", to: "right = right_answer(row)" },
            ShaderFault { from: "last_counters[local] = counters[local]", to: "last_counters[local] = 0u" },
        ]
    }
}

impl Registered for SoftmaxCrossEntropyMetricsKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_loss("softmax_cross_entropy_metrics", |graph, p, given| {
            let [metrics, last_counters] = given.recorded;
            let op = SoftmaxCrossEntropyMetricsOp { metrics, last_counters };
            graph.apply(op, &[p[0], given.labels, given.counters])
        })
    }
}

/// The op counterpart of [`SoftmaxCrossEntropyKernel`].
///
/// Side effect: computing its output also writes to the slots below, which are not values of the graph.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropyMetricsOp {
    /// Slot `[ring, 2]` of the metrics.
    pub metrics: SlotId,
    /// Slot `[4]` for the step's counters.
    pub last_counters: SlotId,
}

impl Op for SoftmaxCrossEntropyMetricsOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        crate::ops::support::loss_outputs(inputs)
    }

    fn objective(&self, node: &Node) -> Option<Vec<Option<Value>>> {
        SoftmaxCrossEntropyOp.objective(node)
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let [ring, _] = crate::ops::support::rows_and_columns(&cx.plan.memory, self.metrics)?;
        let written = [("metrics", self.metrics), ("last_counters", self.last_counters)];
        let bindings = [&crate::ops::support::loss_bindings(inputs, outputs)[..], &written].concat();
        let params = SoftmaxCrossEntropyMetricsParams { m, n, ring };
        cx.dispatch(&SoftmaxCrossEntropyMetricsKernel, params, &bindings)
    }

    fn mutates(&self) -> bool {
        true
    }
}
