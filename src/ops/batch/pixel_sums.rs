//! Sums of the bytes of a set of images and of their squares, in parts whose sums fit 32 bits: the first stage of
//! measuring its mean and deviation.
//!
//! A part is [`PART`] words, four bytes each: the squares of 65,536 bytes are at most 255^2 * 65,536 < 2^32 together.
//! The bytes that fill the last word of an image are not counted.

use crate::error::Result;
use crate::kernel::{
    Args, Caps, Case, Constant, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, word};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`PixelSums`] and [`crate::ops::batch::normalisation::Normalisation`].
    pub struct PixelSumsParams {
        /// Images in the data set.
        pub samples: u32,
        /// Pixels of an image.
        pub features: u32,
        /// Parts that the images are taken in: as many as it takes.
        pub parts: u32,
    }
}

/// Words of a part.
pub const PART: usize = 16_384;

/// What the shaders call [`PART`].
pub(in crate::ops) const CONSTANTS: [(&str, Constant); 1] = [("PART", Constant::U32(PART as u32))];

impl PixelSumsParams {
    /// For `samples` images of `features` pixels.
    ///
    /// # Errors
    /// Where a size does not fit 32 bits.
    pub fn new(samples: usize, features: usize) -> Result<Self> {
        let parts = samples.saturating_mul(features.div_ceil(4)).div_ceil(PART);
        Ok(Self { samples: word(samples)?, features: word(features)?, parts: word(parts)? })
    }

    /// Words of an image.
    fn words(&self) -> usize {
        self.features.div_ceil(4) as usize
    }

    /// How many pixels lie in a part: the last is shorter, and images end within words.
    pub(in crate::ops) fn pixels(&self, part: usize) -> i64 {
        let (words, features) = (self.words() as i64, i64::from(self.features));
        let before = |word: i64| word / words * features + features.min(4 * (word % words));
        let (start, end) = ((part * PART) as i64, i64::from(self.samples) * words);
        before(end.min(start + PART as i64)) - before(start)
    }
}

/// Adds up bytes and their squares.
#[derive(Debug)]
pub struct PixelSums;

impl Kernel for PixelSums {
    type Params = PixelSumsParams;

    fn name(&self) -> &'static str {
        "pixel_sums"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::new("plain", &CONSTANTS, &[LINEAR, include_str!("../../../shaders/pixel_sums.wgsl")])]
    }

    fn groups(&self, params: &PixelSumsParams, _variant: &Variant) -> u64 {
        params.parts.into()
    }

    fn flops(&self, params: &PixelSumsParams) -> u64 {
        operations(3, [params.samples, params.features])
    }

    fn twin<T: Real>(&self, params: &PixelSumsParams, args: &mut Args<'_, T>) {
        let (images, sums) = (args.word("images"), args.word_mut("part_sums"));
        let (words, features) = (params.words(), params.features as usize);
        let part = |(part, (sums, images)): (usize, (&mut [u32], &[u32]))| {
            sums.fill(0);
            for (i, word) in images.iter().enumerate() {
                let pixels = features - 4 * ((part * PART + i) % words);
                for byte in word.to_le_bytes().into_iter().take(pixels).map(u32::from) {
                    sums[0] += byte;
                    sums[1] += byte * byte;
                }
            }
        };
        sums.par_chunks_exact_mut(2).zip(images.par_chunks(PART)).enumerate().for_each(part);
    }

    /// Words, which are compared as they are.
    fn tolerance(&self, case: &Case<PixelSumsParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(2 * case.params.parts as usize)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<PixelSumsParams>> {
        let mut random = effort.random();
        // Images of one word and of many, that end on a word and do not; the third fills a part to the last word.
        let mut sizes = vec![[1, 1], [3, 5], [256, 256], [257, 255], [2, 40_001], [20_000, 3]];
        let count = effort.count(8, 2000);
        sizes.extend((0..count).map(|_| [1 + random.below(200), 1 + random.below(1500)]));
        let case = |(i, [samples, features]): (usize, [u32; 2])| {
            let parts = (samples * features.div_ceil(4)).div_ceil(PART as u32);
            let inputs = if i % 4 == 2 { Inputs::Extreme } else { Inputs::Random };
            Case::new(PixelSumsParams { samples, features, parts }, inputs)
        };
        sizes.into_iter().enumerate().map(case).collect()
    }

    /// The largest bytes are the most that a sum has to hold.
    fn fill(&self, case: &Case<PixelSumsParams>, binding: &str, words: usize, _: &mut Random) -> Option<Vec<u32>> {
        (binding == "images" && case.inputs == Inputs::Extreme).then(|| vec![u32::MAX; words])
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("integer results, which are compared exactly")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "8u * pixels", to: "32u" },
            ShaderFault { from: "4u * (w % words)", to: "4u * w" },
            ShaderFault { from: "w < end", to: "w + 1u < end" },
            ShaderFault { from: "dot(bytes, bytes)", to: "dot(bytes, vec4(1u))" },
            ShaderFault { from: "half > 0u", to: "half > 1u" },
        ]
    }
}

impl Registered for PixelSums {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("sums bytes, which are not learnt")
    }
}
