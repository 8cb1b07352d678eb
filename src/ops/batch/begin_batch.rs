//! [`crate::ops::batch::step_state`] and [`crate::ops::batch::gather`] fused into one dispatch.
//!
//! Every workgroup computes the step's counters itself, so they cannot be advanced in place: `last_counters` holds
//! those of the previous step, and the last dispatch of a step copies the new ones there, as
//! [`crate::ops::loss::softmax_cross_entropy_metrics`] does.

use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::batch::gather::{self, GATHER_ROW, GatherParams};
use crate::ops::batch::step_state::{self, NEXT_STEP, StepStateParams};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, LABELS, RANDOM, RATES, STREAMS, counter};
use crate::ops::update::adam::Betas;
use crate::random::Random;

crate::params! {
    /// Parameters of [`BeginBatchKernel`].
    pub struct BeginBatchParams {
        /// The rows to gather, and their source.
        pub gather: GatherParams,
        /// The learning rate.
        pub learning_rate: f32,
        /// Decay rates of the optimizer's running means.
        pub betas: Betas,
    }
}

impl BeginBatchParams {
    /// Combines the parameters of the two kernels, which must agree on samples and batch size.
    pub fn new(step: StepStateParams, gather: GatherParams) -> Self {
        Self { gather, learning_rate: step.learning_rate, betas: step.betas }
    }

    fn step(&self) -> StepStateParams {
        let GatherParams { samples, batch, .. } = self.gather;
        StepStateParams { samples, batch, learning_rate: self.learning_rate, betas: self.betas }
    }
}

/// Advances counters and rates, and gathers the batch.
#[derive(Debug)]
pub struct BeginBatchKernel;

impl Kernel for BeginBatchKernel {
    type Params = BeginBatchParams;

    fn name(&self) -> &'static str {
        "begin_batch"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        let main = include_str!("../../../shaders/begin_batch.wgsl");
        vec![Variant::plain(&[COUNTERS, LABELS, STREAMS, RATES, RANDOM, NEXT_STEP, GATHER_ROW, main])]
    }

    fn groups(&self, params: &BeginBatchParams, _variant: &Variant) -> u64 {
        params.gather.batch.into()
    }

    fn flops(&self, params: &BeginBatchParams) -> u64 {
        gather::GatherKernel.flops(&params.gather).saturating_add(4)
    }

    /// Reads a batch of bytes, writes a batch of floats; the rest of the data set is not touched.
    fn bytes(&self, params: &BeginBatchParams, bound: u64) -> u64 {
        gather::GatherKernel.bytes(&params.gather, bound)
    }

    fn twin<T: Real>(&self, params: &BeginBatchParams, args: &mut Args<'_, T>) {
        let (last_counters, counters, rates) =
            (args.word("last_counters"), args.word_mut("counters"), args.real_mut("rates"));
        counters.copy_from_slice(last_counters);
        step_state::begin(&params.step(), counters, rates);
        gather::gather_rows(&params.gather, counters, args);
    }

    /// The tolerances of the two fused kernels.
    fn tolerance(&self, case: &Case<BeginBatchParams>, output: &str, values: &Values) -> Tolerance {
        if output == "rates" {
            return step_state::StepStateKernel.tolerance(&case.map(BeginBatchParams::step), output, values);
        }
        let mut counters = values.words("last_counters").to_vec();
        step_state::begin(&case.params.step(), &mut counters, &mut [0f64; crate::ops::support::rate::COUNT]);
        gather::input_bounds(&case.params.gather, &counters, output, values)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<BeginBatchParams>> {
        let mut random = effort.random();
        let case = |gather: Case<GatherParams>| {
            gather.map(|gather| {
                let step = step_state::some_params([gather.samples, gather.batch], &mut random);
                BeginBatchParams::new(step, *gather)
            })
        };
        gather::some_batches(effort).into_iter().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<BeginBatchParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        match binding {
            "last_counters" => {
                step_state::StepStateKernel.fill(&case.map(BeginBatchParams::step), "counters", counter::COUNT, random)
            }
            "rates" => Some(step_state::some_rates(random)),
            _ => gather::GatherKernel.fill(&case.map(|params| params.gather), binding, elements, random),
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("the row it gathers depends on counters and position")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "gather_row(row, local, next)", to: "gather_row(row, local, last)" },
            ShaderFault { from: "counters[i] = next[i]", to: "counters[i] = last[i]" },
            ShaderFault { from: "params.beta2 * rates[CORRECTION2]", to: "params.beta1 * rates[CORRECTION2]" },
        ]
    }
}

impl Registered for BeginBatchKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("gathers bytes, which are not differentiable")
    }
}
