//! Clips a gradient by its norm: g *= max_norm / max(norm, max_norm).
//!
//! Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1. A
//! norm beyond f32 counts as infinite, which makes the step zero; non-finite elements stay non-finite.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, UNIT, bits, flat_sizes, linear_groups};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`ClipKernel`].
    pub struct ClipParams {
        /// Elements of the gradient, a multiple of 4.
        pub n: u32,
        /// The largest norm that is not clipped; above 0.
        pub max_norm: f32,
    }
}

/// Scales a gradient in place.
#[derive(Debug)]
pub struct ClipKernel;

impl Kernel for ClipKernel {
    type Params = ClipParams;

    fn name(&self) -> &'static str {
        "clip"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/clip.wgsl")])]
    }

    fn groups(&self, params: &ClipParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n) / 4)
    }

    fn flops(&self, params: &ClipParams) -> u64 {
        u64::from(params.n)
    }

    fn twin<T: Real>(&self, params: &ClipParams, args: &mut Args<'_, T>) {
        let (norm, gradient) = (args.real("norm")[0], args.real_mut("gradient"));
        let max_norm = T::of(params.max_norm.into());
        let factor = max_norm / norm.max(max_norm);
        gradient.par_iter_mut().with_min_len(1 << 14).for_each(|g| *g = *g * factor);
    }

    /// A quotient, which WGSL bounds by 2.5 units, and a product.
    fn tolerance(&self, _case: &Case<ClipParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::each(values.after(output), |g| 4.0 * UNIT * g.abs() + f64::from(f32::MIN_POSITIVE))
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n")]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ClipParams>> {
        let case = |(i, n): (usize, u32)| {
            // Most are clipped; the norm is about 3.
            let max_norm = if i % 4 == 3 { 10.0 } else { 0.7 };
            Case::new(ClipParams { n: n.next_multiple_of(4), max_norm }, Inputs::Random)
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, _: &Case<ClipParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        (binding == "norm").then(|| bits(std::iter::once(random.between(2.0, 4.0))))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "max(norm[0], params.max_norm)", to: "norm[0]" }]
    }
}

impl Registered for ClipKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("operates on gradients")
    }
}
