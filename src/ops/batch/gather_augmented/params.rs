//! Parameters of augmentation.

use crate::ops::batch::gather::sample_of;

crate::params! {
    /// Parameters of [`GatherAugmentedKernel`](super::GatherAugmentedKernel).
    pub struct GatherAugmentedParams {
        /// Images in the data set.
        pub samples: u32,
        /// Pixels of an image: rows times columns.
        pub features: u32,
        /// Batch size.
        pub batch: u32,
        /// 1 to permute each epoch, 0 to use the data in order.
        pub shuffle: u32,
        /// Low word of the seed.
        pub seed_low: u32,
        /// High word of the seed.
        pub seed_high: u32,
        /// Height of an image.
        pub rows: u32,
        /// Width of an image.
        pub columns: u32,
        /// Half the maximum rotation angle in radians, up to a quarter turn.
        pub half_angle: f32,
        /// Maximum shift in pixels, in either direction.
        pub shift: f32,
        /// Maximum relative change in size; at most a half.
        pub scale: f32,
        /// Maximum shear in columns per row.
        pub shear: f32,
        /// Probability of a horizontal flip, as a [`threshold`].
        pub horizontal_flip: u32,
        /// Probability of a vertical flip, as a [`threshold`].
        pub vertical_flip: u32,
        /// Factor of the integer noise: its standard deviation / [`NOISE_DEVIATION`].
        pub noise: f32,
        /// Probability of erasing a rectangle, as a [`threshold`].
        pub erase: u32,
    }
}

/// Standard deviation of the sum of four random bytes: each has a variance of (256^2 - 1) / 12.
pub const NOISE_DEVIATION: f64 = 147.800_541_270_766_3;
/// A probability in units of 2^-24: 0 never happens, 1 always.
pub fn threshold(probability: f64) -> u32 {
    (probability.clamp(0.0, 1.0) * 16_777_216.0).round() as u32
}

impl GatherAugmentedParams {
    /// Words per packed image.
    pub(super) fn words(&self) -> usize {
        self.features.div_ceil(4) as usize
    }

    /// The sample in a row of the batch.
    pub(super) fn sample(&self, counters: &[u32], row: usize) -> usize {
        sample_of(self.samples, (self.shuffle != 0).then_some([self.seed_low, self.seed_high]), counters, row)
    }
}
