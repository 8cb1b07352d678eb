//! RMSProp over a flat arena.
//!
//! v = alpha v + (1 - alpha) g^2, w -= rate g / (sqrt(v) + epsilon): Tieleman and Hinton, "Neural Networks for Machine
//! Learning", lecture 6e, 2012, with epsilon outside the root, as in PyTorch's `torch.optim.RMSprop`. Weight decay is
//! L2 regularization: g is the gradient plus decay w.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, RATES, UNIT, bits, flat_sizes, linear_groups, rate, wide_range};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`RmsPropKernel`].
    pub struct RmsPropParams {
        /// Elements of the arena, a multiple of 4.
        pub n: u32,
        /// Decay of the mean square.
        pub alpha: f32,
        /// 1 - alpha, computed in f64.
        pub one_minus_alpha: f32,
        /// Added to the root, against division by zero.
        pub epsilon: f32,
        /// Number of elements that decay, at the start of the arena; a multiple of 4.
        pub decayed: u32,
        /// Weight decay.
        pub decay: f32,
    }
}

impl RmsPropParams {
    /// These settings, without weight decay.
    pub fn new(n: u32, alpha: f64, epsilon: f64) -> Self {
        let one_minus_alpha = (1.0 - alpha) as f32;
        Self { n, alpha: alpha as f32, one_minus_alpha, epsilon: epsilon as f32, decayed: 0, decay: 0.0 }
    }
}

/// Updates weights and mean squares in place.
#[derive(Debug)]
pub struct RmsPropKernel;

impl Kernel for RmsPropKernel {
    type Params = RmsPropParams;

    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, RATES, include_str!("../../../shaders/rmsprop.wgsl")])]
    }

    fn groups(&self, params: &RmsPropParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n) / 4)
    }

    fn flops(&self, params: &RmsPropParams) -> u64 {
        9 * u64::from(params.n) + 2 * u64::from(params.decayed)
    }

    fn twin<T: Real>(&self, params: &RmsPropParams, args: &mut Args<'_, T>) {
        let (gradient, rates) = (args.real("gradient"), args.real("rates"));
        let (weight, mean_square) = (args.real_mut("weight"), args.real_mut("mean_square"));
        let of = |x: f32| T::of(x.into());
        let (alpha, one_minus_alpha) = (of(params.alpha), of(params.one_minus_alpha));
        let (epsilon, decay) = (of(params.epsilon), of(params.decay));
        let learning_rate = rates[rate::LEARNING_RATE];
        let update = |(i, ((w, &g), v)): (usize, ((&mut T, &T), &mut T))| {
            let g = if i < params.decayed as usize { g + decay * *w } else { g };
            *v = alpha * *v + one_minus_alpha * (g * g);
            *w = *w - learning_rate * g / (v.sqrt() + epsilon);
        };
        weight.par_iter_mut().zip(gradient).zip(mean_square).enumerate().with_min_len(1 << 14).for_each(update);
    }

    /// dg = 3 u of the magnitudes of the gradient's terms; for the mean square, dv = 4 u of itself and the effect of
    /// dg. The root changes by at most dv / sqrt(v), and sqrt(dv); the quotient by both, and 12 roundings of the step.
    /// The weight adds one rounding of its own. Each may also flush to zero.
    fn tolerance(&self, case: &Case<RmsPropParams>, output: &str, values: &Values) -> Tolerance {
        let p = case.params;
        let tiny = f64::from(f32::MIN_POSITIVE);
        let learning_rate = values.before("rates")[rate::LEARNING_RATE];
        let (weight, gradient) = (values.before("weight"), values.before("gradient"));
        let bound = |(i, v): (usize, &f64)| {
            let decay = if i < p.decayed as usize { f64::from(p.decay) } else { 0.0 };
            let g = (gradient[i] + decay * weight[i]).abs();
            let dg = 3.0 * UNIT * (gradient[i].abs() + decay * weight[i].abs()) + tiny;
            let dv = 4.0 * UNIT * v + f64::from(p.one_minus_alpha) * (2.0 * g + dg) * dg + tiny;
            if output == "mean_square" {
                return dv;
            }
            let root = v.sqrt() + f64::from(p.epsilon);
            let droot = (dv / v.sqrt()).min(dv.sqrt());
            let step = learning_rate * g / root;
            learning_rate * dg / root
                + step * (droot / root + 12.0 * UNIT)
                + values.after(output)[i].abs() * UNIT
                + tiny
        };
        Tolerance { hard: values.after("mean_square").iter().enumerate().map(bound).collect(), soft: None }
    }

    fn cases(&self, effort: Effort) -> Vec<Case<RmsPropParams>> {
        let kinds = [Inputs::Random, Inputs::Extreme];
        let case = |(i, n): (usize, u32)| {
            let plain = RmsPropParams::new(n.next_multiple_of(4), 0.99, 1e-8);
            let decaying = RmsPropParams { decayed: plain.n / (1 + i as u32 % 3) / 4 * 4, decay: 0.1, ..plain };
            Case::new(if i % 4 < 2 { plain } else { decaying }, kinds[i % 2])
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<RmsPropParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        match binding {
            "rates" => Some(bits([1e-2, 0.0, 0.0].into_iter())),
            "mean_square" => Some(bits((0..n).map(|_| (random.normal() as f32).powi(2)))),
            "gradient" if case.inputs == Inputs::Extreme => Some(wide_range(n, random)),
            _ => None,
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("only the first weights decay")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "sqrt(v) + params.epsilon", to: "sqrt(v + params.epsilon)" },
            ShaderFault { from: "params.one_minus_alpha * (g * g)", to: "(g * g)" },
        ]
    }
}

impl Registered for RmsPropKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("an update")
    }
}
