//! Stochastic gradient descent with momentum over a flat arena.
//!
//! v = momentum v + g, w -= rate v; with Nesterov momentum w -= rate (g + momentum v). Sutskever, Martens, Dahl and
//! Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013, eq. 1 to 4, with the rate
//! outside the velocity and Nesterov's look-ahead folded into the step, as in PyTorch's `torch.optim.SGD`. Weight decay
//! is L2 regularization: g is the gradient plus decay w.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, RATES, UNIT, bits, flat_sizes, linear_groups, rate};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`SgdKernel`].
    pub struct SgdParams {
        /// Elements of the arena, a multiple of 4.
        pub n: u32,
        /// Momentum; 0 for none.
        pub momentum: f32,
        /// 1 for Nesterov momentum.
        pub nesterov: u32,
        /// Number of elements that decay, at the start of the arena; a multiple of 4.
        pub decayed: u32,
        /// Weight decay.
        pub decay: f32,
    }
}

/// Updates weights and velocities in place.
#[derive(Debug)]
pub struct SgdKernel;

impl Kernel for SgdKernel {
    type Params = SgdParams;

    fn name(&self) -> &'static str {
        "sgd"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, RATES, include_str!("../../../shaders/sgd.wgsl")])]
    }

    fn groups(&self, params: &SgdParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.n) / 4)
    }

    fn flops(&self, params: &SgdParams) -> u64 {
        let per_weight = if params.nesterov == 0 { 4 } else { 6 };
        per_weight * u64::from(params.n) + 2 * u64::from(params.decayed)
    }

    fn twin<T: Real>(&self, params: &SgdParams, args: &mut Args<'_, T>) {
        let (gradient, rates) = (args.real("gradient"), args.real("rates"));
        let (weight, velocity) = (args.real_mut("weight"), args.real_mut("velocity"));
        let (momentum, decay) = (T::of(params.momentum.into()), T::of(params.decay.into()));
        let learning_rate = rates[rate::LEARNING_RATE];
        let update = |(i, ((w, &g), v)): (usize, ((&mut T, &T), &mut T))| {
            let g = if i < params.decayed as usize { g + decay * *w } else { g };
            *v = momentum * *v + g;
            let direction = if params.nesterov == 0 { *v } else { g + momentum * *v };
            *w = *w - learning_rate * direction;
        };
        weight.par_iter_mut().zip(gradient).zip(velocity).enumerate().with_min_len(1 << 14).for_each(update);
    }

    /// Velocity: 4 roundings of the magnitudes of its terms. Weight: 8 of the largest step those magnitudes allow, and
    /// one of its own. Each may also flush to zero.
    fn tolerance(&self, case: &Case<SgdParams>, output: &str, values: &Values) -> Tolerance {
        let p = case.params;
        let momentum = f64::from(p.momentum);
        let (w, v, g) = (values.before("weight"), values.before("velocity"), values.before("gradient"));
        let bound = |(i, after): (usize, &f64)| {
            let decay = if i < p.decayed as usize { f64::from(p.decay) } else { 0.0 };
            let gradient = g[i].abs() + decay * w[i].abs();
            let velocity = momentum * v[i].abs() + gradient;
            let direction = if p.nesterov == 0 { velocity } else { gradient + momentum * velocity };
            let errors = match output {
                "velocity" => 4.0 * velocity,
                _ => 8.0 * values.before("rates")[rate::LEARNING_RATE] * direction + after.abs(),
            };
            errors * UNIT + 4.0 * f64::from(f32::MIN_POSITIVE)
        };
        Tolerance { hard: values.after(output).iter().enumerate().map(bound).collect(), soft: None }
    }

    fn cases(&self, effort: Effort) -> Vec<Case<SgdParams>> {
        let kinds = [Inputs::Random, Inputs::Integers];
        let case = |(i, n): (usize, u32)| {
            let n = n.next_multiple_of(4);
            let [momentum, decay] = [[0.9, 0.3], [0.9, 0.0], [0.0, 0.3], [0.0, 0.0]][i / 2 % 4];
            // Weight decay applies to all elements or to half of them.
            let decayed = if decay == 0.0 { 0 } else { n / (1 + i as u32 % 2) / 4 * 4 };
            let nesterov = u32::from(momentum != 0.0 && i % 3 != 0);
            Case::new(SgdParams { n, momentum, nesterov, decayed, decay }, kinds[i % 2])
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, _case: &Case<SgdParams>, binding: &str, _: usize, _: &mut Random) -> Option<Vec<u32>> {
        (binding == "rates").then(|| bits([0.1, 0.0, 0.0].into_iter()))
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("only the first weights decay")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "direction = g + params.momentum * v", to: "direction = v + params.momentum * g" },
            ShaderFault { from: "params.momentum * velocity[i] + g", to: "params.momentum * (velocity[i] + g)" },
            ShaderFault { from: "4u * i < params.decayed", to: "i < params.decayed" },
        ]
    }
}

impl Registered for SgdKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("an update, compared with PyTorch in tests/golden.rs")
    }
}
