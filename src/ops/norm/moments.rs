//! Shared by the norms: mean and variance, their error bounds, and extreme inputs.
//!
//! `shaders/lib/moments.wgsl` is the shader's version. The first pass sums differences from the first number, the
//! second squared differences from the mean: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance",
//! The American Statistician 37(3), 1983, sections 1 and 3.

use crate::kernel::Real;
use crate::ops::support::{UNIT, roundings};
use crate::random::Random;

/// The shader's function of the same name, over its binding `a`.
pub(in crate::ops) const MOMENTS: &str = include_str!("../../../shaders/lib/moments.wgsl");

/// Mean and variance of at least one number.
pub(in crate::ops) fn moments<T: Real>(numbers: impl Iterator<Item = T> + Clone) -> [T; 2] {
    let shift = numbers.clone().next().unwrap_or(T::zero());
    let count = T::of(numbers.clone().count() as f64);
    let sum: T = numbers.clone().map(|a| a - shift).sum();
    let mean = shift + sum / count;
    let square = |a: T| {
        let difference = a - mean;
        difference * difference
    };
    let squares: T = numbers.map(square).sum();
    [mean, squares / count]
}

/// Moments of k numbers with error bounds. A sum of k numbers costs k - 1 roundings of their magnitudes in any order
/// (Higham, eq. 4.4), and WGSL allows a quotient three units and a reciprocal root two.
pub(in crate::ops) struct BoundedMoments {
    /// The mean.
    pub(in crate::ops) mean: f64,
    /// Its bound: one rounding of its own, and those of the sum of differences from the first number.
    pub(in crate::ops) mean_bound: f64,
    /// The variance.
    pub(in crate::ops) variance: f64,
    /// Its bound: about a mean with error e, it is larger by e^2, and all its terms are positive.
    pub(in crate::ops) variance_bound: f64,
    /// 1 / sqrt(variance + epsilon).
    pub(in crate::ops) reciprocal: f64,
    /// Its bound. A relative error of e in the sum changes the reciprocal root by less than e, for e up to a half.
    pub(in crate::ops) reciprocal_bound: f64,
}

impl BoundedMoments {
    /// Moments of exact numbers.
    pub(in crate::ops) fn of(numbers: impl Iterator<Item = f64> + Clone, epsilon: f32) -> Self {
        let [mean, variance] = moments(numbers.clone());
        let shift = numbers.clone().next().unwrap_or(0.0);
        let count = numbers.clone().count();
        let spread = numbers.map(|a| (a - shift).abs()).sum::<f64>() / count as f64;
        let mean_bound = UNIT * mean.abs() + roundings(count + 4) * spread;
        let off = mean_bound * mean_bound;
        let variance_bound = off + roundings(count + 6) * (variance + off) + f64::from(f32::MIN_POSITIVE);
        let sum = variance + f64::from(epsilon);
        let reciprocal = 1.0 / sum.sqrt();
        let reciprocal_bound = reciprocal * (variance_bound / sum + 3.0 * UNIT);
        Self { mean, mean_bound, variance, variance_bound, reciprocal, reciprocal_bound }
    }

    /// The bound of (a - mean) reciprocal weight + bias, which is `out`: those of mean and reciprocal, and its five
    /// roundings.
    pub(in crate::ops) fn normalized_bound(&self, a: f64, weight: f64, out: f64) -> f64 {
        let difference = (a - self.mean).abs();
        let reciprocal = self.reciprocal + self.reciprocal_bound;
        let normalized = self.mean_bound * reciprocal + difference * self.reciprocal_bound;
        let rounded = roundings(4) * (difference + self.mean_bound) * reciprocal;
        weight.abs() * (normalized + rounded) + UNIT * out.abs() + f64::from(f32::MIN_POSITIVE)
    }
}

/// Offsets and scales of groups of extreme numbers: equal numbers, numbers far from zero, small ones, and equal ones
/// far from zero.
pub(in crate::ops) fn straining_groups(count: u32, random: &mut Random) -> Vec<[f32; 2]> {
    (0..count).map(|_| [[0.5, 0.0], [1e3, 1.0], [0.0, 1e-3], [-1e3, 0.0]][random.below(4) as usize]).collect()
}

/// `counters` with all rows of a batch of `m` valid, with a quarter of them invalid, as at the end of an epoch, or with
/// more valid rows than there are.
pub(in crate::ops) fn some_rows(m: u32, random: &mut Random) -> Vec<u32> {
    vec![7, 0, 0, [m, m - m / 4, m - m / 4, m + 5][random.below(4) as usize]]
}
