//! What is done to images, and how much of it.

use crate::ops::batch::gather::sample_of;

crate::params! {
    /// Parameters of [`GatherAugmented`](super::GatherAugmented).
    pub struct GatherAugmentedParams {
        /// Images in the data set.
        pub samples: u32,
        /// Pixels of an image: rows times columns.
        pub features: u32,
        /// Rows of a batch.
        pub batch: u32,
        /// 1 to permute each epoch, 0 to go through the set in order.
        pub shuffle: u32,
        /// Low word of the seed.
        pub seed_low: u32,
        /// High word of the seed.
        pub seed_high: u32,
        /// Height of an image.
        pub rows: u32,
        /// Width of an image.
        pub columns: u32,
        /// Half of the largest angle of rotation in radians, up to a quarter turn.
        pub half_angle: f32,
        /// Largest shift in pixels, up and down and to either side.
        pub shift: f32,
        /// Largest share by which what is seen of an image is larger or smaller than it; at most a half.
        pub scale: f32,
        /// Largest shear: columns to the side for each row.
        pub shear: f32,
        /// Probability of exchanging left and right, as a [`threshold`].
        pub horizontal_flip: u32,
        /// Probability of exchanging top and bottom, as a [`threshold`].
        pub vertical_flip: u32,
        /// What the integer noise is multiplied by: its standard deviation over [`NOISE_DEVIATION`].
        pub noise: f32,
        /// Probability of erasing a rectangle, as a [`threshold`].
        pub erase: u32,
    }
}

/// Standard deviation of the sum of four random bytes: each has a variance of (256^2 - 1) / 12.
pub const NOISE_DEVIATION: f64 = 147.800_541_270_766_3;
/// A probability in parts of 2^24: 0 never and 1 always happens.
pub fn threshold(probability: f64) -> u32 {
    (probability.clamp(0.0, 1.0) * 16_777_216.0).round() as u32
}

impl GatherAugmentedParams {
    /// Words of a packed image.
    pub(super) fn words(&self) -> usize {
        self.features.div_ceil(4) as usize
    }

    /// The sample in a row of the batch.
    pub(super) fn sample(&self, counters: &[u32], row: usize) -> usize {
        sample_of(self.samples, (self.shuffle != 0).then_some([self.seed_low, self.seed_high]), counters, row)
    }
}
