//! Sums of words per invocation: reads with hardly any writes.

use super::words::{groups, sizes, vectors};
use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, Tolerance, Values, Variant, WORKGROUP};

crate::params! {
    /// Parameters of [`ReadWordsKernel`].
    pub struct ReadParams {
        /// Words, a multiple of 4.
        pub n: u32,
        /// Invocations that read.
        pub sums: u32,
    }
}

/// Sums words, modulo 2^32.
#[derive(Debug)]
pub struct ReadWordsKernel {
    pub(super) name: &'static str,
    /// Vectors per invocation.
    pub(super) each: u32,
}

impl ReadWordsKernel {
    /// Parameters for reading `n` words.
    pub fn params(&self, n: u32) -> ReadParams {
        let sums = (groups(n, self.each) as u32 * WORKGROUP).min(n / 4);
        ReadParams { n, sums }
    }
}

/// By vectors of four words per invocation: few suit GPUs, many suit CPU drivers.
pub(super) static READS: [ReadWordsKernel; 2] =
    [ReadWordsKernel { name: "peak_read_8", each: 8 }, ReadWordsKernel { name: "peak_read_64", each: 64 }];

impl Kernel for ReadWordsKernel {
    type Params = ReadParams;

    fn name(&self) -> &'static str {
        self.name
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![vectors(self.each, include_str!("../../../shaders/peaks/read.wgsl"))]
    }

    fn groups(&self, params: &ReadParams, _variant: &Variant) -> u64 {
        groups(params.n, self.each)
    }

    fn flops(&self, _params: &ReadParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &ReadParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.word("a"), args.word_mut("out"));
        for (number, out) in out.iter_mut().enumerate() {
            let (group, local) = (number as u32 / WORKGROUP, number as u32 % WORKGROUP);
            let first = group * self.each * WORKGROUP + local;
            let mine = (0..self.each).map(|j| first + j * WORKGROUP).filter(|i| *i < params.n / 4);
            let words = mine.flat_map(|i| &a[4 * i as usize..][..4]);
            *out = words.fold(0, |sum, word| sum.wrapping_add(*word));
        }
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, _case: &Case<ReadParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(0)
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<ReadParams>> {
        sizes().map(|n| Case::new(self.params(n), Inputs::Random)).to_vec()
    }
}
