//! Adam, and AdamW, over a flat arena.
//!
//! m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, w -= rate m_hat / (sqrt(v_hat) + epsilon), with m_hat
//! and v_hat corrected for the bias of their zero initialization: Kingma and Ba, "Adam: A Method for Stochastic
//! Optimization", ICLR 2015, algorithm 1.
//!
//! The first elements of the arena may also decay, w -= rate decay w, independently of the gradient: Loshchilov and
//! Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2, with the decay scaled by the rate as in
//! PyTorch's `torch.optim.AdamW`.

use crate::kernel::{
    Args, Caps, Case, Constant, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{RATES, UNIT, bits, flat_sizes, linear_groups, rate, wide_range};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// By how much two running means decay in a step, as parameters of every kernel that takes them.
    pub struct Betas {
        /// Decay of the first mean.
        pub beta1: f32,
        /// 1 - beta1, computed in f64.
        pub one_minus_beta1: f32,
        /// Decay of the second mean.
        pub beta2: f32,
        /// 1 - beta2, computed in f64.
        pub one_minus_beta2: f32,
    }
}

impl Betas {
    /// The decays of the first and the second mean.
    pub fn new([beta1, beta2]: [f64; 2]) -> Self {
        let [one_minus_beta1, one_minus_beta2] = [1.0 - beta1, 1.0 - beta2].map(|x| x as f32);
        Self { beta1: beta1 as f32, one_minus_beta1, beta2: beta2 as f32, one_minus_beta2 }
    }
}

crate::params! {
    /// Parameters of [`AdamKernel`].
    pub struct AdamParams {
        /// Elements of the arena, a multiple of 4.
        pub n: u32,
        /// Decays of the two moments.
        pub betas: Betas,
        /// Added to the root, against division by zero.
        pub epsilon: f32,
        /// Number of elements that decay, at the start of the arena; a multiple of 4, 0 for Adam.
        pub decayed: u32,
        /// Weight decay.
        pub decay: f32,
    }
}

impl AdamParams {
    /// The paper's defaults, 0.9, 0.999 and 1e-8, without weight decay.
    pub fn new(n: u32) -> Self {
        Self { n, betas: Betas::new([0.9, 0.999]), epsilon: 1e-8, decayed: 0, decay: 0.0 }
    }
}

/// One step of weights and both moments, all as long as the gradient.
pub(in crate::ops) fn update<T: Real>(params: &AdamParams, gradient: &[T], rates: &[T], state: [&mut [T]; 3]) {
    let [weight, first_moment, second_moment] = state;
    let rates = [rates[rate::LEARNING_RATE], rates[rate::CORRECTION1], rates[rate::CORRECTION2]];
    const BLOCK: usize = 1 << 14; // the four arrays of a block fit a core's L2 cache
    let moments = first_moment.par_chunks_mut(BLOCK).zip(second_moment.par_chunks_mut(BLOCK));
    let weights = weight.par_chunks_mut(BLOCK).zip(gradient.par_chunks(BLOCK));
    let arch = pulp::Arch::new();
    weights.zip(moments).enumerate().for_each(|(block, ((weight, gradient), (first_moment, second_moment)))| {
        let decayed = (params.decayed as usize).saturating_sub(block * BLOCK).min(weight.len());
        arch.dispatch(AdamUpdate { params, rates, decayed, weight, gradient, first_moment, second_moment });
    });
}

/// WGSL for the step of an element.
pub(in crate::ops) const ADAM_STEP: &str = include_str!("../../../shaders/lib/adam_step.wgsl");

/// Updates weights and both moments in place.
#[derive(Debug)]
pub struct AdamKernel;

/// The update of a block whose first `decayed` elements decay.
struct AdamUpdate<'a, T> {
    params: &'a AdamParams,
    rates: [T; 3],
    decayed: usize,
    weight: &'a mut [T],
    gradient: &'a [T],
    first_moment: &'a mut [T],
    second_moment: &'a mut [T],
}

/// Compiled for several CPU vector extensions. The results are identical: no fused multiply-adds.
impl<T: Real> pulp::NullaryFnOnce for AdamUpdate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { params, decayed, weight, gradient, first_moment, second_moment, .. } = self;
        let of = |x: f32| T::of(x.into());
        let Betas { beta1, one_minus_beta1, beta2, one_minus_beta2 } = params.betas;
        let (beta1, one_minus_beta1) = (of(beta1), of(one_minus_beta1));
        let (beta2, one_minus_beta2) = (of(beta2), of(one_minus_beta2));
        let (epsilon, decay) = (of(params.epsilon), of(params.decay));
        let [learning_rate, correction1, correction2] = self.rates;
        for w in &mut weight[..decayed] {
            *w = *w - learning_rate * decay * *w;
        }
        for (((w, &g), m), v) in weight.iter_mut().zip(gradient).zip(first_moment).zip(second_moment) {
            *m = beta1 * *m + one_minus_beta1 * g;
            *v = beta2 * *v + one_minus_beta2 * (g * g);
            let m_hat = *m / correction1;
            let v_hat = *v / correction2;
            *w = *w - learning_rate * m_hat / (v_hat.sqrt() + epsilon);
        }
    }
}

impl Kernel for AdamKernel {
    type Params = AdamParams;

    fn name(&self) -> &'static str {
        "adam"
    }

    /// The variant that suits the adapter comes first. All have 256 vectors per workgroup, as `linear_groups` assumes.
    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let variant = |name, lanes, each, ahead| {
            let constants =
                [("LANES", Constant::U32(lanes)), ("EACH", Constant::U32(each)), ("AHEAD", Constant::Bool(ahead))];
            Variant::new(name, &constants, &[RATES, ADAM_STEP, include_str!("../../../shaders/adam.wgsl")])
        };
        let ahead = caps.is_recent_lavapipe().then(|| variant("ahead", 8, 32, true));
        ahead.into_iter().chain([variant("plain", 256, 1, false)]).collect()
    }

    fn groups(&self, params: &AdamParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n) / 4)
    }

    fn flops(&self, params: &AdamParams) -> u64 {
        14 * u64::from(params.n) + 3 * u64::from(params.decayed)
    }

    fn twin<T: Real>(&self, params: &AdamParams, args: &mut Args<'_, T>) {
        let (gradient, rates, weight) = (args.real("gradient"), args.real("rates"), args.real_mut("weight"));
        let (first_moment, second_moment) = (args.real_mut("first_moment"), args.real_mut("second_moment"));
        update(params, gradient, rates, [weight, first_moment, second_moment]);
    }

    /// Moments: 4 roundings of the magnitudes of their two terms, and epsilon's flush to zero. Weight: 16 of the
    /// largest step those magnitudes allow, and one of its own; if it decays, 4 of the decay and another one.
    fn tolerance(&self, case: &Case<AdamParams>, output: &str, values: &Values) -> Tolerance {
        let p = case.params;
        let (g, rates) = (values.before("gradient"), values.before("rates"));
        let [beta1, new1] = [p.betas.beta1, p.betas.one_minus_beta1].map(f64::from);
        let magnitude = |(m, g): (&f64, &f64)| beta1 * m.abs() + new1 * g.abs();
        let first: Vec<f64> = values.before("first_moment").iter().zip(g).map(magnitude).collect();
        let tiny = f64::from(f32::MIN_POSITIVE);
        let hard = match output {
            "first_moment" => first.iter().map(|m| 4.0 * UNIT * m + tiny).collect(),
            "second_moment" => values.after(output).iter().map(|v| 4.0 * UNIT * v + tiny).collect(),
            _ => {
                let second = values.after("second_moment").iter();
                let step = first.iter().zip(second).map(|(m, v)| {
                    let root = (v / rates[rate::CORRECTION2]).sqrt() + f64::from(p.epsilon);
                    rates[rate::LEARNING_RATE] * m / rates[rate::CORRECTION1] / root
                });
                let decay = rates[rate::LEARNING_RATE] * f64::from(p.decay);
                let before = values.before(output).iter().enumerate();
                let decays =
                    before.map(|(i, w)| if i < p.decayed as usize { (1.0 + 4.0 * decay) * w.abs() } else { 0.0 });
                let errors = step.zip(decays).zip(values.after(output)).map(|((s, d), w)| 16.0 * s + d + w.abs());
                errors.map(|error| error * UNIT + tiny).collect()
            }
        };
        Tolerance { hard, soft: None }
    }

    fn cases(&self, effort: Effort) -> Vec<Case<AdamParams>> {
        let kinds = [Inputs::Random, Inputs::Extreme];
        let case = |(i, n): (usize, u32)| {
            let adam = AdamParams::new(n.next_multiple_of(4));
            let adamw = AdamParams { decayed: adam.n / (1 + i as u32 % 3) / 4 * 4, decay: 0.5, ..adam };
            Case::new(if i % 4 < 2 { adam } else { adamw }, kinds[i % 2])
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<AdamParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        let extreme = case.inputs == Inputs::Extreme;
        match binding {
            // The first step, or a later one.
            "rates" if extreme => Some(bits([1e-3, 0.1, 1e-3].into_iter())),
            "rates" => Some(bits([1e-3, 0.65, 0.0099].into_iter())),
            "second_moment" => Some(bits((0..n).map(|_| (random.normal() as f32).powi(2)))),
            "gradient" if extreme => Some(wide_range(n, random)),
            _ => None,
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("only the first weights decay")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "sqrt(v_hat) + params.epsilon", to: "sqrt(v_hat + params.epsilon)" },
            ShaderFault { from: "m / rates[CORRECTION1]", to: "m" },
            ShaderFault { from: "4u * i < params.decayed", to: "4u * i <= params.decayed" },
            ShaderFault { from: "w -= rates[LEARNING_RATE] * decay", to: "w -= decay" },
        ]
    }
}

impl Registered for AdamKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("an update, compared with PyTorch in tests/golden.rs")
    }
}
