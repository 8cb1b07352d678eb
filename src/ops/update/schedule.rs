//! The learning rate of a step, from its number t = 1, 2, ... and the base rate set by `step_state`.
//!
//! - Warm-up, t <= warmup: rate t / warmup, so that step `warmup` is the first with the full rate.
//! - After it, with s = t - 1 - warmup steps done since, by [`kind`]:
//!   - constant: rate;
//!   - step decay: rate gamma^floor(s / every);
//!   - cosine: rate (1 + cos(pi s / steps)) / 2, and 0 from s = steps on: Loshchilov and Hutter, "SGDR: Stochastic
//!     Gradient Descent with Warm Restarts", ICLR 2017, eq. 5, without restarts and with a least rate of 0. It is
//!     computed as sin^2(pi (steps - s) / (2 steps)), which does not cancel near the end.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, RATES, UNIT, bits, counter, rate};
use crate::random::Random;

/// Values of [`ScheduleParams::kind`].
pub mod kind {
    crate::shared! {
        /// The same for the shader.
        pub(super) WGSL:
        /// The base rate.
        pub CONSTANT: u32 = 0;
        /// A factor every `every` steps.
        pub STEP_DECAY: u32 = 1;
        /// Half a cosine period, down to zero.
        pub COSINE: u32 = 2;
    }
}

crate::params! {
    /// Parameters of [`ScheduleKernel`].
    pub struct ScheduleParams {
        /// The schedule after warm-up: one of [`kind`].
        pub kind: u32,
        /// Steps of warm-up.
        pub warmup: u32,
        /// Step decay: steps between changes, at least 1.
        pub every: u32,
        /// Step decay: factor per change, from 0 to 1.
        pub gamma: f32,
        /// Cosine: steps after the warm-up, at least 1.
        pub steps: u32,
    }
}

/// Scales the learning rate in place.
#[derive(Debug)]
pub struct ScheduleKernel;

impl Kernel for ScheduleKernel {
    type Params = ScheduleParams;

    fn name(&self) -> &'static str {
        "schedule"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[COUNTERS, RATES, kind::WGSL, include_str!("../../../shaders/schedule.wgsl")])]
    }

    fn groups(&self, _params: &ScheduleParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, _params: &ScheduleParams) -> u64 {
        24
    }

    fn twin<T: Real>(&self, params: &ScheduleParams, args: &mut Args<'_, T>) {
        let (step, rates) = (args.word("counters")[counter::STEP], args.real_mut("rates"));
        let of = |x: u32| T::of(x.into());
        let factor = if step <= params.warmup {
            of(step) / of(params.warmup)
        } else {
            let done = step - 1 - params.warmup;
            match params.kind {
                kind::STEP_DECAY => power(T::of(params.gamma.into()), done / params.every),
                kind::COSINE => {
                    let left = params.steps - done.min(params.steps);
                    let root = (T::of(std::f64::consts::FRAC_PI_2) * (of(left) / of(params.steps))).sin();
                    root * root
                }
                _ => T::one(),
            }
        };
        rates[rate::LEARNING_RATE] = rates[rate::LEARNING_RATE] * factor;
    }

    /// Warm-up: 2 conversions, a quotient of 2.5 units and the product with the rate. Step decay: one rounding per
    /// factor, in any order. Cosine: 2 conversions, a quotient, pi and a product, 8 of the sine's series, whose
    /// brackets lie between 0.6 and 1, and its remainder, all doubled by the square; 2 more products.
    fn tolerance(&self, case: &Case<ScheduleParams>, output: &str, values: &Values) -> Tolerance {
        let p = case.params;
        let counters = values.words("counters");
        let done = counters[counter::STEP].saturating_sub(1 + p.warmup);
        let roundings = match p.kind {
            _ if counters[counter::STEP] <= p.warmup => 6.0,
            kind::STEP_DECAY => f64::from(done / p.every) + 2.0,
            kind::COSINE => 32.0,
            _ => 2.0,
        };
        let mut tolerance = Tolerance::exact(rate::COUNT);
        tolerance.hard[rate::LEARNING_RATE] += roundings * UNIT * values.after(output)[rate::LEARNING_RATE];
        tolerance
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ScheduleParams>> {
        let mut random = effort.random();
        let count = effort.count(90, 3000);
        let case = |i: usize| {
            let params = ScheduleParams {
                kind: [kind::CONSTANT, kind::STEP_DECAY, kind::COSINE][i % 3],
                warmup: if i.is_multiple_of(2) { 0 } else { 1 + random.below(200) },
                every: 1 + random.below(100),
                gamma: random.between(0.1, 1.0),
                steps: 1 + random.below(2000),
            };
            Case::new(params, Inputs::Random)
        };
        let unknown = ScheduleParams { kind: 3, warmup: 0, every: 1, gamma: 0.5, steps: 10 };
        (0..count).map(case).chain([Case::new(unknown, Inputs::Random)]).collect()
    }

    /// A step of the run, the one after its end, or one at an edge: around the end of the warm-up or of a decay.
    fn fill(&self, case: &Case<ScheduleParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        let p = case.params;
        let edges = [p.warmup.max(1), p.warmup + 1, p.warmup + p.every, p.warmup + p.every + 1, p.warmup + p.steps + 1];
        match binding {
            "counters" if random.below(2) == 0 => Some(vec![edges[random.below(5) as usize], 0, 0, 1]),
            "counters" => Some(vec![1 + random.below(p.warmup + p.steps), 0, 0, 1]),
            _ => Some(bits((0..rate::COUNT).map(|_| 1e-3 + random.uniform()))),
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("a single number")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "counters[STEP] - 1u - params.warmup", to: "counters[STEP] - params.warmup" },
            ShaderFault { from: "counters[STEP] <= params.warmup", to: "counters[STEP] < params.warmup" },
        ]
    }
}

impl Registered for ScheduleKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("sets the learning rate")
    }
}

/// base^exponent by squaring.
fn power<T: Real>(base: T, exponent: u32) -> T {
    let (mut result, mut square, mut rest) = (T::one(), base, exponent);
    while rest > 0 {
        if rest & 1 != 0 {
            result = result * square;
        }
        square = square * square;
        rest >>= 1;
    }
    result
}
