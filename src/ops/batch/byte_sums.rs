//! Sums of the bytes of a set of items and of their squares, in parts whose sums fit 32 bits: the first stage of
//! computing mean and standard deviation.
//!
//! A part is [`PART`] words of four bytes: the squares of 65,536 bytes sum to at most 255^2 * 65,536 < 2^32. Padding
//! bytes in the last word of an item are not counted.

use crate::error::Result;
use crate::kernel::{
    Args, Caps, Case, Constant, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, word};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`ByteSumsKernel`] and [`crate::ops::batch::normalization::NormalizationKernel`].
    pub struct ByteSumsParams {
        /// Items in the data set.
        pub samples: u32,
        /// Bytes of an item.
        pub features: u32,
        /// Number of parts the items are divided into.
        pub parts: u32,
    }
}

/// Words of a part.
pub const PART: usize = 16_384;

/// [`PART`] for the shaders.
pub(in crate::ops) const CONSTANTS: [(&str, Constant); 1] = [("PART", Constant::U32(PART as u32))];

impl ByteSumsParams {
    /// Parameters for `samples` items of `features` bytes.
    ///
    /// # Errors
    /// If a size does not fit 32 bits.
    pub fn new(samples: usize, features: usize) -> Result<Self> {
        let parts = samples.saturating_mul(features.div_ceil(4)).div_ceil(PART);
        Ok(Self { samples: word(samples)?, features: word(features)?, parts: word(parts)? })
    }

    /// Words per item.
    fn words(&self) -> usize {
        self.features.div_ceil(4) as usize
    }

    /// Number of bytes in a part: the last part is shorter, and items end within words.
    pub(in crate::ops) fn bytes_in(&self, part: usize) -> i64 {
        let (words, features) = (self.words() as i64, i64::from(self.features));
        let before = |word: i64| word / words * features + features.min(4 * (word % words));
        let (start, end) = ((part * PART) as i64, i64::from(self.samples) * words);
        before(end.min(start + PART as i64)) - before(start)
    }
}

/// Sums bytes and their squares.
#[derive(Debug)]
pub struct ByteSumsKernel;

impl Kernel for ByteSumsKernel {
    type Params = ByteSumsParams;

    fn name(&self) -> &'static str {
        "byte_sums"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::new("plain", &CONSTANTS, &[LINEAR, include_str!("../../../shaders/byte_sums.wgsl")])]
    }

    fn groups(&self, params: &ByteSumsParams, _variant: &Variant) -> u64 {
        params.parts.into()
    }

    fn flops(&self, params: &ByteSumsParams) -> u64 {
        operations(3, [params.samples, params.features])
    }

    fn twin<T: Real>(&self, params: &ByteSumsParams, args: &mut Args<'_, T>) {
        let (items, sums) = (args.word("items"), args.word_mut("part_sums"));
        let (words, features) = (params.words(), params.features as usize);
        let part = |(part, (sums, items)): (usize, (&mut [u32], &[u32]))| {
            sums.fill(0);
            for (i, word) in items.iter().enumerate() {
                let used = features - 4 * ((part * PART + i) % words);
                for byte in word.to_le_bytes().into_iter().take(used).map(u32::from) {
                    sums[0] += byte;
                    sums[1] += byte * byte;
                }
            }
        };
        sums.par_chunks_exact_mut(2).zip(items.par_chunks(PART)).enumerate().for_each(part);
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, case: &Case<ByteSumsParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(2 * case.params.parts as usize)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ByteSumsParams>> {
        let mut random = effort.random();
        // Items of one word and of many, with and without padding; the third fills a part to the last word.
        let mut sizes = vec![[1, 1], [3, 5], [256, 256], [257, 255], [2, 40_001], [20_000, 3]];
        let count = effort.count(8, 2000);
        sizes.extend((0..count).map(|_| [1 + random.below(200), 1 + random.below(1500)]));
        let case = |(i, [samples, features]): (usize, [u32; 2])| {
            let parts = (samples * features.div_ceil(4)).div_ceil(PART as u32);
            let inputs = if i % 4 == 2 { Inputs::Extreme } else { Inputs::Random };
            Case::new(ByteSumsParams { samples, features, parts }, inputs)
        };
        sizes.into_iter().enumerate().map(case).collect()
    }

    /// The largest bytes, to test for overflow.
    fn fill(&self, case: &Case<ByteSumsParams>, binding: &str, words: usize, _: &mut Random) -> Option<Vec<u32>> {
        (binding == "items" && case.inputs == Inputs::Extreme).then(|| vec![u32::MAX; words])
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("integer results, which are compared exactly")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "8u * used", to: "32u" },
            ShaderFault { from: "4u * (w % words)", to: "4u * w" },
            ShaderFault { from: "w < end", to: "w + 1u < end" },
            ShaderFault { from: "dot(bytes, bytes)", to: "dot(bytes, vec4(1u))" },
            ShaderFault { from: "half > 0u", to: "half > 1u" },
        ]
    }
}

impl Registered for ByteSumsKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("sums bytes, which are not differentiable")
    }
}
