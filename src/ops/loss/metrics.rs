//! Mean loss and number of correct predictions of a batch, written to a ring that the host reads occasionally.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, operations, ulp,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, IGNORE_INDEX, UNIT, counter, row_sizes};
use crate::random::Random;

crate::params! {
    /// Parameters of [`MetricsKernel`].
    pub struct MetricsParams {
        /// Rows of the batch.
        pub m: u32,
        /// Classes.
        pub n: u32,
        /// Steps in the ring.
        pub ring: u32,
    }
}

/// WGSL that writes an entry of the ring.
pub(in crate::ops) const RECORD_METRICS: &str = include_str!("../../../shaders/lib/record_metrics.wgsl");

crate::shared! {
    /// [`LANES`] for shaders.
    pub(in crate::ops) RECORD_LANES:
    /// Invocations of the shader's only workgroup.
    LANES: usize = 64;
}

/// Reduces a batch to two numbers. A prediction is the first class with the largest logit.
#[derive(Debug)]
pub struct MetricsKernel;

/// Offset of this step's entry in the ring.
pub(in crate::ops) fn entry(params: &MetricsParams, counters: &[u32]) -> usize {
    2 * ((counters[counter::STEP] - 1) % params.ring) as usize
}

/// Writes this step's entry of the ring.
pub(in crate::ops) fn record<T: Real>(
    params: &MetricsParams,
    logits: &[T],
    labels: &[u32],
    losses: &[T],
    counters: &[u32],
    metrics: &mut [T],
) {
    let answer = |row: &[T]| (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best });
    let rows = logits.chunks_exact(params.n as usize).zip(labels);
    let right = rows.filter(|(row, label)| answer(row) as u32 == **label).count();
    let entry = entry(params, counters);
    // In the shader's order: every 64th row, then the 64 sums. In f32 this is more accurate than one long sum.
    let lane = |first: usize| losses.iter().skip(first).step_by(LANES).copied().sum::<T>();
    let loss: T = (0..LANES).map(lane).sum();
    metrics[entry] = loss / T::of(counters[counter::ROWS].max(1).into());
    metrics[entry + 1] = T::of(right as f64);
}

/// Tolerance of the entries of `output`, given exact `losses`: a sum of m losses in any order (Higham, eq. 4.4) and a
/// quotient; counts are exact, and so is everything not written.
pub(in crate::ops) fn entry_bounds(params: &MetricsParams, losses: &[f64], output: &str, values: &Values) -> Tolerance {
    let counters = values.words("counters");
    let magnitude: f64 = losses.iter().map(|loss| loss.abs()).sum();
    let mean = magnitude / f64::from(counters[counter::ROWS].max(1));
    let mut tolerance = Tolerance::exact(values.after(output).len());
    tolerance.hard[entry(params, counters)] = (f64::from(params.m) + 3.0) * UNIT * mean + ulp(0.0);
    tolerance
}

impl Kernel for MetricsKernel {
    type Params = MetricsParams;

    fn name(&self) -> &'static str {
        "metrics"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[COUNTERS, RECORD_LANES, RECORD_METRICS, include_str!("../../../shaders/metrics.wgsl")])]
    }

    fn groups(&self, _params: &MetricsParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, params: &MetricsParams) -> u64 {
        operations(u64::from(params.n) + 1, [params.m])
    }

    /// Everything once, and one entry of the ring.
    fn bytes(&self, params: &MetricsParams, bound: u64) -> u64 {
        bound.saturating_sub(16 * u64::from(params.ring)).saturating_add(8)
    }

    fn twin<T: Real>(&self, params: &MetricsParams, args: &mut Args<'_, T>) {
        let (logits, labels, losses) = (args.real("logits"), args.word("labels"), args.real("losses"));
        let (counters, metrics) = (args.word("counters"), args.real_mut("metrics"));
        record(params, logits, labels, losses, counters, metrics);
    }

    fn tolerance(&self, case: &Case<MetricsParams>, output: &str, values: &Values) -> Tolerance {
        entry_bounds(&case.params, values.before("losses"), output, values)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<MetricsParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| {
            let inputs = if i % 2 == 0 { Inputs::Random } else { Inputs::Integers };
            Case::new(MetricsParams { m, n, ring: 1 + (i as u32 * 7) % 40 }, inputs)
        };
        let close = Case::new(MetricsParams { m: 300, n: 3, ring: 5 }, Inputs::Extreme);
        row_sizes(effort).into_iter().enumerate().map(case).chain([close]).collect()
    }

    fn fill(
        &self,
        case: &Case<MetricsParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        let MetricsParams { m, n, .. } = case.params;
        let used = m - m / 4;
        match binding {
            "labels" => Some((0..m).map(|row| if row < used { random.below(n) } else { IGNORE_INDEX }).collect()),
            "counters" => Some(vec![1 + random.below(100), 0, 0, used]),
            // A few ULPs apart.
            "logits" if case.inputs == Inputs::Extreme => {
                Some((0..elements).map(|_| 1f32.to_bits() + random.below(100)).collect())
            }
            _ => None,
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("one sum over all rows")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "counters[STEP] - 1u", to: "counters[STEP]" }]
    }
}

impl Registered for MetricsKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("only reports losses")
    }
}
