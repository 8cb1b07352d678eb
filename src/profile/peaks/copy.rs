//! out = a.

use super::words::{groups, sizes, vectors};
use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, Tolerance, Values, Variant};

crate::params! {
    /// Parameters of [`CopyWordsKernel`].
    pub struct PeakCopyParams {
        /// Words, a multiple of 4.
        pub n: u32,
    }
}

/// Copies words.
#[derive(Debug)]
pub struct CopyWordsKernel {
    pub(super) name: &'static str,
    /// Vectors per invocation.
    pub(super) each: u32,
}

/// By vectors of four words per invocation: few suit GPUs, many suit CPU drivers.
pub(super) static COPIES: [CopyWordsKernel; 3] = [
    CopyWordsKernel { name: "peak_copy_1", each: 1 },
    CopyWordsKernel { name: "peak_copy_8", each: 8 },
    CopyWordsKernel { name: "peak_copy_64", each: 64 },
];

impl Kernel for CopyWordsKernel {
    type Params = PeakCopyParams;

    fn name(&self) -> &'static str {
        self.name
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![vectors(self.each, include_str!("../../../shaders/peaks/copy.wgsl"))]
    }

    fn groups(&self, params: &PeakCopyParams, _variant: &Variant) -> u64 {
        groups(params.n, self.each)
    }

    fn flops(&self, _params: &PeakCopyParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, _params: &PeakCopyParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.word("a"), args.word_mut("out"));
        out.copy_from_slice(a);
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, _case: &Case<PeakCopyParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(0)
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<PeakCopyParams>> {
        sizes().map(|n| Case::new(PeakCopyParams { n }, Inputs::Random)).to_vec()
    }
}
