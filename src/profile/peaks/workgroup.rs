//! Pure reads of workgroup memory.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, LINEAR, Real, Tolerance, Values, Variant, WORKGROUP};

crate::params! {
    /// Parameters of [`WorkgroupKernel`].
    pub struct WorkgroupParams {
        /// Invocations.
        pub n: u32,
        /// Reads per invocation, of four words each; a multiple of 8.
        pub rounds: u32,
    }
}

impl WorkgroupParams {
    /// Bytes of workgroup memory read.
    pub fn bytes_read(&self) -> u64 {
        16 * u64::from(self.n) * u64::from(self.rounds)
    }
}

/// Sums values read from a tile in workgroup memory.
#[derive(Debug)]
pub struct WorkgroupKernel;

impl Kernel for WorkgroupKernel {
    type Params = WorkgroupParams;

    fn name(&self) -> &'static str {
        "peak_workgroup"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/peaks/workgroup.wgsl")])]
    }

    fn groups(&self, params: &WorkgroupParams, _variant: &Variant) -> u64 {
        params.n.div_ceil(WORKGROUP).into()
    }

    fn flops(&self, _params: &WorkgroupParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &WorkgroupParams, args: &mut Args<'_, T>) {
        let out = args.word_mut("out");
        let total = |local: u32| {
            // The four words at a position sum to 4 * position + 0 + 1 + 2 + 3.
            let read = (0..params.rounds).map(|round| 4 * ((local + round) % WORKGROUP) + 6);
            read.fold(0, u32::wrapping_add)
        };
        let totals: Vec<u32> = (0..WORKGROUP).map(total).collect();
        out.iter_mut().zip(totals.iter().cycle()).for_each(|(out, total)| *out = *total);
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, _case: &Case<WorkgroupParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(0)
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<WorkgroupParams>> {
        let sizes = [(1, 8), (255, 16), (256, 264), (257, 8), (1025, 1024)];
        sizes.map(|(n, rounds)| Case::new(WorkgroupParams { n, rounds }, Inputs::Random)).to_vec()
    }
}
