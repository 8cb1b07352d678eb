//! out = a / (1 - p) where a mask keeps the element, else 0: Srivastava et al., "DropoutKernel: A Simple Way to Prevent
//! Neural Networks from Overfitting", JMLR 15, 2014; scaled in training, so that evaluation is the identity (their
//! section 10).
//!
//! The mask compares 32 random bits per element with a threshold; they depend on seed, layer, step and element index,
//! so the mask is never stored and is the same everywhere. The map is linear and elementwise, hence its own gradient:
//! the same kernel with the same parameters, in the same step, on the gradient.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, LINEAR, RANDOM, STREAMS, counter, each_row, flat_sizes, linear_groups};
use crate::plan::SlotId;
use crate::random::{Random, seed_words, step_words, stream};
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`DropoutKernel`].
    pub struct DropoutParams {
        /// Elements.
        pub n: u32,
        /// Low word of the seed of the masks.
        pub seed_low: u32,
        /// High word of the seed.
        pub seed_high: u32,
        /// Index of the dropout layer; each has its own masks.
        pub layer: u32,
        /// An element is dropped if its random word is below this: the probability times 2^32.
        pub threshold: u32,
        /// Factor for elements that are kept.
        pub factor: f32,
    }
}

impl DropoutParams {
    /// Drops each of `n` elements with `probability`, clamped to 0 to less than 1.
    pub fn new(n: u32, seed: u64, layer: u32, probability: f64) -> Self {
        const WORDS: f64 = 4_294_967_296.0;
        let [seed_low, seed_high] = seed_words(seed);
        let threshold = (probability * WORDS).round() as u32;
        let factor = (WORDS / (WORDS - f64::from(threshold))) as f32;
        Self { n, seed_low, seed_high, layer, threshold, factor }
    }
}

/// Drops elements at random; applied to a gradient, it is the gradient of dropout.
#[derive(Debug)]
pub struct DropoutKernel;

impl Kernel for DropoutKernel {
    type Params = DropoutParams;

    fn name(&self) -> &'static str {
        "dropout"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, COUNTERS, STREAMS, RANDOM, include_str!("../../../shaders/dropout.wgsl")])]
    }

    fn groups(&self, params: &DropoutParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n).div_ceil(4))
    }

    fn flops(&self, params: &DropoutParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, params: &DropoutParams, args: &mut Args<'_, T>) {
        let (a, counters, out) = (args.real("a"), args.word("counters"), args.real_mut("out"));
        let seed = [params.seed_low, params.seed_high];
        let factor = T::of(params.factor.into());
        each_row(out, 1, |i, out| {
            let words = step_words(seed, stream::DROPOUT + params.layer, counters[counter::STEP], i as u32 / 4);
            let kept = words[i % 4] >= params.threshold;
            out[0] = if kept { factor * a[i] } else { T::zero() };
        });
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<DropoutParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Proportional { of: &["a"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<DropoutParams>> {
        let mut random = effort.random();
        let probabilities = [0.5, 0.1, 0.0, 0.9];
        let mut case = |(i, n): (usize, u32)| {
            let seed = u64::from(random.bits()) << 32 | u64::from(random.bits());
            let params = DropoutParams::new(n, seed, random.below(20), probabilities[i % 4]);
            Case::new(params, Inputs::Random)
        };
        let cases: Vec<_> = flat_sizes(effort).into_iter().enumerate().map(&mut case).collect();
        // In the first step, the threshold equals the random word of element 0.
        let mut params = DropoutParams::new(8, 1, 0, 0.5);
        params.threshold = step_words([params.seed_low, params.seed_high], stream::DROPOUT, 1, 0)[0];
        cases.into_iter().chain([Case::new(params, Inputs::Extreme)]).collect()
    }

    fn fill(&self, case: &Case<DropoutParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        let step = if case.inputs == Inputs::Extreme { 1 } else { 1 + random.below(100_000) };
        (binding == "counters").then(|| vec![step, 3, 0, 1])
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "words[i] >= params.threshold", to: "words[i] > 0x80000000u" },
            ShaderFault { from: "DROPOUT + params.layer", to: "DROPOUT" },
            ShaderFault { from: "counters[STEP]", to: "counters[EPOCH]" },
            ShaderFault { from: "params.factor * a", to: "a" },
        ]
    }
}

impl Registered for DropoutKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        let op = DropoutOp { seed: 3, layer: 1, probability: 0.4 };
        GradientCheck::of_op("dropout", &[&[4, 5]], move |graph, p, given| graph.apply(op, &[p[0], given.counters]))
    }
}

/// DropoutKernel as an op: the inputs are the array and the counters.
#[derive(Clone, Copy, Debug)]
pub struct DropoutOp {
    /// Seed of the masks.
    pub seed: u64,
    /// Index of the dropout layer.
    pub layer: u32,
    /// The fraction of elements dropped.
    pub probability: f64,
}

impl Op for DropoutOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        Ok(vec![Some(graph.apply(*self, &[upstream, node.inputs[1]])?), None])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], outputs[0]])?;
        let params = DropoutParams::new(n, self.seed, self.layer, self.probability);
        cx.dispatch(&DropoutKernel, params, &[("a", a), ("counters", inputs[1]), ("out", out)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_become_thresholds_and_factors() {
        let of = |probability| DropoutParams::new(1, 0, 0, probability);
        assert_eq!((of(0.0).threshold, of(0.0).factor), (0, 1.0));
        assert_eq!((of(0.5).threshold, of(0.5).factor), (1 << 31, 2.0));
        for outside in [-1.0, 1.0, 2.0, f64::NAN] {
            assert!(of(outside).factor.is_finite() && of(outside).factor >= 1.0, "{outside}");
        }
    }

    #[test]
    fn masks_keep_the_right_share_and_differ_between_layers_and_steps() {
        let kept = |layer, step| {
            let words = (0..25_000).flat_map(move |block| step_words([5, 0], stream::DROPOUT + layer, step, block));
            words.map(|word| word >= DropoutParams::new(1, 0, 0, 0.3).threshold).collect::<Vec<bool>>()
        };
        let mask = kept(0, 1);
        let count = mask.iter().filter(|&&kept| kept).count() as f64;
        // Five standard deviations of a binomial distribution.
        assert!((count - 70_000.0).abs() < 5.0 * (100_000.0 * 0.3 * 0.7f64).sqrt(), "{count} of 100000 kept");
        for other in [kept(1, 1), kept(0, 2)] {
            let agree = mask.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
            // Independent masks agree with probability 0.3^2 + 0.7^2.
            assert!((agree - 58_000.0).abs() < 5.0 * (100_000.0 * 0.58 * 0.42f64).sqrt(), "{agree} of 100000 agree");
        }
    }
}
