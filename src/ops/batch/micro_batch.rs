//! The rows of a micro-batch: its own counters, derived from the step's.
//!
//! Micro-batch `index` of `count` has the rows `index rows` to `(index + 1) rows` of the batch, as far as they are
//! valid: at the end of an epoch the last ones may be partial or empty. Its step is (STEP - 1) count + index + 1, so
//! that random draws and ring entries differ between micro-batches.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, counter};
use crate::random::Random;

crate::params! {
    /// Parameters of [`MicroBatchKernel`].
    pub struct MicroBatchParams {
        /// Index of the micro-batch within its batch.
        pub index: u32,
        /// Micro-batches per batch. Times the number of steps, it must fit 32 bits.
        pub count: u32,
        /// Rows of a micro-batch.
        pub rows: u32,
    }
}

/// Sets the counters of a micro-batch.
#[derive(Debug)]
pub struct MicroBatchKernel;

impl Kernel for MicroBatchKernel {
    type Params = MicroBatchParams;

    fn name(&self) -> &'static str {
        "micro_batch"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[COUNTERS, include_str!("../../../shaders/micro_batch.wgsl")])]
    }

    fn groups(&self, _params: &MicroBatchParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, _params: &MicroBatchParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &MicroBatchParams, args: &mut Args<'_, T>) {
        let (counters, micro_counters) = (args.word("counters"), args.word_mut("micro_counters"));
        let before = params.index * params.rows;
        let left = counters[counter::ROWS].saturating_sub(before);
        micro_counters[counter::STEP] = (counters[counter::STEP] - 1) * params.count + params.index + 1;
        micro_counters[counter::EPOCH] = counters[counter::EPOCH];
        micro_counters[counter::POSITION] = counters[counter::POSITION] + before;
        micro_counters[counter::ROWS] = left.min(params.rows);
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, _case: &Case<MicroBatchParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(counter::COUNT)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<MicroBatchParams>> {
        let mut random = effort.random();
        let case = |_| {
            let count = 1 + random.below(8);
            Case::new(
                MicroBatchParams { index: random.below(count), count, rows: 1 + random.below(40) },
                Inputs::Random,
            )
        };
        (0..effort.count(40, 2000)).map(case).collect()
    }

    /// A batch of any size up to that of all micro-batches; in small ones some micro-batches are empty.
    fn fill(&self, case: &Case<MicroBatchParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        let MicroBatchParams { count, rows, .. } = case.params;
        let counters = [1 + random.below(1000), random.below(9), random.below(60_000), 1 + random.below(count * rows)];
        (binding == "counters").then(|| counters.to_vec())
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("counts")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "(counters[STEP] - 1u) * params.count", to: "counters[STEP]" },
            ShaderFault { from: "counters[ROWS] - min(before, counters[ROWS])", to: "counters[ROWS]" },
            ShaderFault { from: "counters[POSITION] + before", to: "counters[POSITION]" },
        ]
    }
}

impl Registered for MicroBatchKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("counts")
    }
}
