//! The start of a step: counters, learning rate and Adam's bias corrections, all on the device.
//!
//! The correction 1 - beta^t is computed as the running mean c = beta c + (1 - beta) of ones, which needs no power and
//! does not cancel for small t.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, RATES, bits, counter, rate, some_counters};
use crate::ops::update::adam::Betas;
use crate::random::Random;

crate::params! {
    /// Parameters of [`StepStateKernel`].
    pub struct StepStateParams {
        /// Items in the data set.
        pub samples: u32,
        /// Batch size.
        pub batch: u32,
        /// The learning rate.
        pub learning_rate: f32,
        /// Decays of the optimizer's running means.
        pub betas: Betas,
    }
}

/// Advances the counters and rates.
#[derive(Debug)]
pub struct StepStateKernel;

/// WGSL that starts a step with the parameters of [`StepStateKernel`].
pub(in crate::ops) const NEXT_STEP: &str = include_str!("../../../shaders/lib/next_step.wgsl");

/// Advances counters and rates to the next step.
pub(in crate::ops) fn begin<T: Real>(params: &StepStateParams, counters: &mut [u32], rates: &mut [T]) {
    let of = |x: f32| T::of(x.into());
    counters[counter::STEP] += 1;
    let mut position = counters[counter::POSITION] + counters[counter::ROWS];
    if position >= params.samples {
        position = 0;
        counters[counter::EPOCH] += 1;
    }
    counters[counter::POSITION] = position;
    counters[counter::ROWS] = params.batch.min(params.samples - position);
    rates[rate::LEARNING_RATE] = of(params.learning_rate);
    let Betas { beta1, one_minus_beta1, beta2, one_minus_beta2 } = params.betas;
    rates[rate::CORRECTION1] = of(beta1) * rates[rate::CORRECTION1] + of(one_minus_beta1);
    rates[rate::CORRECTION2] = of(beta2) * rates[rate::CORRECTION2] + of(one_minus_beta2);
}

impl Kernel for StepStateKernel {
    type Params = StepStateParams;

    fn name(&self) -> &'static str {
        "step_state"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[COUNTERS, RATES, NEXT_STEP, include_str!("../../../shaders/step_state.wgsl")])]
    }

    fn groups(&self, _params: &StepStateParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, _params: &StepStateParams) -> u64 {
        4
    }

    fn twin<T: Real>(&self, params: &StepStateParams, args: &mut Args<'_, T>) {
        let (counters, rates) = (args.word_mut("counters"), args.real_mut("rates"));
        begin(params, counters, rates);
    }

    /// A product and a sum of positive values.
    fn tolerance(&self, _case: &Case<StepStateParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 2.0)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<StepStateParams>> {
        let mut random = effort.random();
        let count = effort.count(60, 2000);
        let case = |_| {
            let sizes = [1 + random.below(100_000), 1 + random.below(600)];
            Case::new(some_params(sizes, &mut random), Inputs::Random)
        };
        (0..count).map(case).collect()
    }

    fn fill(&self, case: &Case<StepStateParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        let first = random.below(4) == 0;
        match binding {
            "counters" if first => Some(vec![0; counter::COUNT]),
            "counters" => Some(some_counters(case.params.samples, case.params.batch, random)),
            _ => Some(some_rates(random)),
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("counts")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "next[POSITION] >= params.samples", to: "next[POSITION] > params.samples" }]
    }
}

impl Registered for StepStateKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("counts")
    }
}

/// For this number of samples and batch size, with some learning rate.
pub(in crate::ops) fn some_params([samples, batch]: [u32; 2], random: &mut Random) -> StepStateParams {
    let betas = Betas::new([0.9, 0.999]);
    StepStateParams { samples, batch, learning_rate: random.between(1e-5, 1.0), betas }
}

/// Rates at some step.
pub(in crate::ops) fn some_rates(random: &mut Random) -> Vec<u32> {
    bits((0..rate::COUNT).map(|_| random.uniform()))
}
