//! Lion over a flat arena.
//!
//! w -= rate (sign(beta1 m + (1 - beta1) g) + decay w), m = beta2 m + (1 - beta2) g: Chen, Liang, Huang, Real, Wang, Liu,
//! Pham, Dong, Luong, Hsieh, Lu and Le, "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2. Every
//! weight moves by the rate, or not at all where the sign is that of 0.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::kernel::{LINEAR, linear_groups};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{RATES, UNIT, bits, flat_sizes, rate, wide_range};
use crate::ops::update::adam::Betas;
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`LionKernel`].
    pub struct LionParams {
        /// Elements of the arena, a multiple of 4.
        pub n: u32,
        /// Share of the momentum in the direction of a step, and decay of the momentum.
        pub betas: Betas,
        /// How many elements decay, from the first on, a multiple of 4.
        pub decayed: u32,
        /// Strength of the decay.
        pub decay: f32,
    }
}

/// Updates weights and momentum in place.
#[derive(Debug)]
pub struct LionKernel;

/// -1, 0 or 1.
fn sign<T: Real>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        T::zero()
    }
}

impl Kernel for LionKernel {
    type Params = LionParams;

    fn name(&self) -> &'static str {
        "lion"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, RATES, include_str!("../../../shaders/lion.wgsl")])]
    }

    fn groups(&self, params: &LionParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n) / 4)
    }

    fn flops(&self, params: &LionParams) -> u64 {
        9 * u64::from(params.n) + 3 * u64::from(params.decayed)
    }

    fn twin<T: Real>(&self, params: &LionParams, args: &mut Args<'_, T>) {
        let (gradient, rates) = (args.real("gradient"), args.real("rates"));
        let (weight, momentum) = (args.real_mut("weight"), args.real_mut("momentum"));
        let of = |x: f32| T::of(x.into());
        let Betas { beta1, one_minus_beta1, beta2, one_minus_beta2 } = params.betas;
        let (beta1, one_minus_beta1) = (of(beta1), of(one_minus_beta1));
        let (beta2, one_minus_beta2) = (of(beta2), of(one_minus_beta2));
        let (learning_rate, decay) = (rates[rate::LEARNING_RATE], of(params.decay));
        let update = |(i, ((w, &g), m)): (usize, ((&mut T, &T), &mut T))| {
            if i < params.decayed as usize {
                *w = *w - learning_rate * decay * *w;
            }
            let direction = beta1 * *m + one_minus_beta1 * g;
            *w = *w - learning_rate * sign(direction);
            *m = beta2 * *m + one_minus_beta2 * g;
        };
        weight.par_iter_mut().zip(gradient).zip(momentum).enumerate().with_min_len(1 << 14).for_each(update);
    }

    /// Momentum: 4 roundings of the magnitudes of its terms. Weight: one of its own, and 4 of the decay; and where the
    /// direction is no larger than 4 roundings of its terms, its sign is unknown: a step to either side.
    fn tolerance(&self, case: &Case<LionParams>, output: &str, values: &Values) -> Tolerance {
        let p = case.params;
        let tiny = 4.0 * f64::from(f32::MIN_POSITIVE);
        let terms = |[share, rest]: [f32; 2], i: usize| {
            [f64::from(share) * values.before("momentum")[i], f64::from(rest) * values.before("gradient")[i]]
        };
        let error = |[m, g]: [f64; 2]| 4.0 * UNIT * (m.abs() + g.abs()) + tiny;
        let learning_rate = values.before("rates")[rate::LEARNING_RATE];
        let bound = |(i, after): (usize, &f64)| {
            if output == "momentum" {
                return error(terms([p.betas.beta2, p.betas.one_minus_beta2], i));
            }
            let direction = terms([p.betas.beta1, p.betas.one_minus_beta1], i);
            let exact = direction == [0.0; 2];
            let unknown = !exact && (direction[0] + direction[1]).abs() <= error(direction);
            let step = if unknown { 2.0 * learning_rate } else { 0.0 };
            let decay = if i < p.decayed as usize { learning_rate * f64::from(p.decay) } else { 0.0 };
            let before = values.before("weight")[i].abs();
            let decays = if decay > 0.0 { (1.0 + 4.0 * decay) * before } else { 0.0 };
            step + UNIT * (decays + learning_rate + after.abs()) + tiny
        };
        Tolerance { hard: values.after(output).iter().enumerate().map(bound).collect(), soft: None }
    }

    /// The size of a gradient does not matter to the weights.
    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Proportional { of: &["gradient", "momentum"], outputs: &["momentum"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<LionParams>> {
        let kinds = [Inputs::Random, Inputs::Integers, Inputs::Extreme];
        let case = |(i, n): (usize, u32)| {
            let n = n.next_multiple_of(4);
            // Every second one decays in part or as a whole.
            let decayed = if i % 2 == 0 { 0 } else { n / (1 + i as u32 / 2 % 3) / 4 * 4 };
            Case::new(LionParams { n, betas: Betas::new([0.9, 0.99]), decayed, decay: 0.5 }, kinds[i % 3])
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<LionParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        match binding {
            "rates" => Some(bits([0.1, 0.0, 0.0].into_iter())),
            "gradient" if case.inputs == Inputs::Extreme => Some(wide_range(n, random)),
            _ => None,
        }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault {
                from: "params.beta1 * m + params.one_minus_beta1 * g",
                to: "params.beta2 * m + params.one_minus_beta2 * g",
            },
            ShaderFault { from: "sign(direction)", to: "direction" },
            ShaderFault { from: "params.beta2 * m + params.one_minus_beta2 * g;", to: "direction;" },
            ShaderFault { from: "4u * i < params.decayed", to: "i < params.decayed" },
            ShaderFault { from: "w -= rates[LEARNING_RATE] * params.decay * w", to: "w -= params.decay * w" },
        ]
    }
}

impl Registered for LionKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("an update, held to ten steps by hand in tests/optimizers.rs")
    }
}
