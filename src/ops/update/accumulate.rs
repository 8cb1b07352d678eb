//! Gradient accumulation: the mean gradient over a batch, updated with one micro-batch after another.
//!
//! mean += (gradient - mean) rows' / rows, with rows' of this micro-batch and the rows of the batch up to its end.
//! West, "Updating Mean and Variance Estimates: An Improved Method", Communications of the ACM 22(9), 1979, with rows
//! as weights. The first micro-batch's gradient becomes the mean; that of an empty one changes nothing.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, LINEAR, UNIT, alternate, counter, flat_sizes, linear_groups};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`AccumulateKernel`].
    pub struct AccumulateParams {
        /// Elements of both arenas, a multiple of 4.
        pub n: u32,
    }
}

/// Merges the gradient of a micro-batch into the mean, in place.
#[derive(Debug)]
pub struct AccumulateKernel;

/// The fraction of a micro-batch in the rows of its batch up to its end; none if it is empty.
fn share(counters: &[u32], micro_counters: &[u32]) -> Option<f64> {
    let micro_rows = micro_counters[counter::ROWS];
    let rows = micro_counters[counter::POSITION] - counters[counter::POSITION] + micro_rows;
    (micro_rows > 0).then(|| f64::from(micro_rows) / f64::from(rows))
}

impl Kernel for AccumulateKernel {
    type Params = AccumulateParams;

    fn name(&self) -> &'static str {
        "accumulate"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, COUNTERS, include_str!("../../../shaders/accumulate.wgsl")])]
    }

    fn groups(&self, params: &AccumulateParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n) / 4)
    }

    fn flops(&self, params: &AccumulateParams) -> u64 {
        3 * u64::from(params.n)
    }

    fn twin<T: Real>(&self, _params: &AccumulateParams, args: &mut Args<'_, T>) {
        let (gradient, mean) = (args.real("gradient"), args.real_mut("mean"));
        let Some(share) = share(args.word("counters"), args.word("micro_counters")).map(T::of) else { return };
        let update = |(mean, &gradient): (&mut T, &T)| *mean += share * (gradient - *mean);
        mean.par_iter_mut().zip(gradient).with_min_len(1 << 14).for_each(update);
    }

    /// The change: 2 conversions, a quotient of 2.5 units, a difference and a product, each of the magnitudes of its
    /// terms. The sum costs one more of its own. Each may also flush to zero.
    fn tolerance(&self, _case: &Case<AccumulateParams>, output: &str, values: &Values) -> Tolerance {
        let share = share(values.words("counters"), values.words("micro_counters")).unwrap_or(0.0);
        let terms = values.before("gradient").iter().zip(values.before("mean")).zip(values.after(output));
        let bound = |((gradient, mean), after): ((&f64, &f64), &f64)| {
            let change = share * (gradient.abs() + mean.abs());
            (7.0 * change + after.abs()) * UNIT + f64::from(f32::MIN_POSITIVE)
        };
        Tolerance { hard: terms.map(bound).collect(), soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["gradient", "mean"], outputs: &["mean"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<AccumulateParams>> {
        let case = |(i, n): (usize, u32)| Case::new(AccumulateParams { n: n.next_multiple_of(4) }, alternate(i));
        let strained = [4, 8, 12].map(|n| Case::new(AccumulateParams { n }, Inputs::Extreme));
        flat_sizes(effort).into_iter().enumerate().map(case).chain(strained).collect()
    }

    /// The second to fourth micro-batch of 48 rows, the last often partial. Extreme: one of a single row, an empty one,
    /// and one of an empty batch.
    fn fill(&self, case: &Case<AccumulateParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        match binding {
            "counters" => Some(vec![7, 3, 960, 192]),
            "micro_counters" if case.inputs == Inputs::Extreme => Some(match case.params.n {
                4 => vec![26, 3, 1008, 1],
                8 => vec![28, 3, 1152, 0],
                _ => vec![25, 3, 960, 0],
            }),
            "micro_counters" => {
                let index = 1 + random.below(3);
                Some(vec![25 + index, 3, 960 + 48 * index, if index < 3 { 48 } else { 1 + random.below(48) }])
            }
            _ => None,
        }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "- counters[POSITION] + micro_counters[ROWS]", to: "- counters[POSITION]" },
            ShaderFault { from: "(gradient[i] - mean[i])", to: "gradient[i]" },
            ShaderFault { from: "i >= params.n / 4u", to: "i + 1u >= params.n / 4u" },
        ]
    }
}

impl Registered for AccumulateKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("operates on gradients, compared with whole batches in tests/training.rs")
    }
}
