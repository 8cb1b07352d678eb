//! The random transformation of an image, and the source positions of its pixels.

use super::params::GatherAugmentedParams;
use crate::kernel::Real;
use crate::random::{step_words, stream};
use std::ops::Range;

/// The random transformation of an image. Pairs are (x, y).
pub(super) struct Draw<T> {
    pub(super) center: [T; 2],
    pub(super) half: T,
    sine: T,
    cosine: T,
    pub(super) shift: [T; 2],
    pub(super) zoom: T,
    pub(super) shear: T,
    mirror: [T; 2],
    erased_from: [u32; 2],
    erased_to: [u32; 2],
}

/// Uniform in \[-1, 1], exact in f32.
fn signed_unit<T: Real>(word: u32) -> T {
    T::of(f64::from(word >> 8) / 8_388_608.0 - 1.0)
}

fn happens(word: u32, threshold: u32) -> bool {
    (word >> 8) < threshold
}

/// Sine and cosine of 2 half for half in \[-pi/2, pi/2], by Taylor series.
fn sine_and_cosine_of_twice<T: Real>(half: T) -> [T; 2] {
    let z = half * half;
    let series = |terms: &[f64]| terms.iter().rev().fold(T::zero(), |sum, &term| T::of(term) + z * sum);
    let over = |n: f64| 1.0 / n;
    let sine = half * series(&[1.0, -over(6.0), over(120.0), -over(5040.0), over(362_880.0), -over(39_916_800.0)]);
    let tail = [over(40_320.0), -over(3_628_800.0), over(479_001_600.0)];
    let cosine = series(&[1.0, -0.5, over(24.0), -over(720.0), tail[0], tail[1], tail[2]]);
    let two = T::of(2.0);
    [two * sine * cosine, T::one() - two * sine * sine]
}

impl<T: Real> Draw<T> {
    pub(super) fn new(params: &GatherAugmentedParams, epoch: u32, sample: u32) -> Self {
        let seed = [params.seed_low, params.seed_high];
        let move_words = step_words(seed, stream::AUGMENT_MOVES, epoch, sample);
        let choice_words = step_words(seed, stream::AUGMENT_CHOICES, epoch, sample);
        let erase_words = step_words(seed, stream::AUGMENT_ERASURES, epoch, sample);
        let of = |x: f32| T::of(x.into());
        let half = of(params.half_angle) * signed_unit(move_words[0]);
        let [sine, cosine] = sine_and_cosine_of_twice(half);
        let mirror = |word, threshold| if happens(word, threshold) { -T::one() } else { T::one() };
        let mut draw = Self {
            center: [params.columns, params.rows].map(|extent| T::of(0.5 * (f64::from(extent) - 1.0))),
            half,
            sine,
            cosine,
            shift: [move_words[1], move_words[2]].map(|word| of(params.shift) * signed_unit(word)),
            zoom: T::one() + of(params.scale) * signed_unit(move_words[3]),
            shear: of(params.shear) * signed_unit(choice_words[0]),
            mirror: [mirror(choice_words[1], params.horizontal_flip), mirror(choice_words[2], params.vertical_flip)],
            erased_from: [0; 2],
            erased_to: [0; 2],
        };
        if happens(choice_words[3], params.erase) {
            for (axis, extent) in [params.columns, params.rows].into_iter().enumerate() {
                let size = 1 + erase_words[axis] % extent.div_ceil(2);
                draw.erased_from[axis] = erase_words[2 + axis] % (extent - size + 1);
                draw.erased_to[axis] = draw.erased_from[axis] + size;
            }
        }
        draw
    }

    /// A position along an axis relative to the image center, shifted and scaled.
    pub(super) fn moved(&self, axis: usize, place: usize) -> T {
        (T::of(place as f64) - self.center[axis] - self.shift[axis]) * self.zoom
    }

    /// Source position of a pixel `moved` there: the inverse of mirror, shear and rotation about the image center,
    /// after those of scale and shift.
    pub(super) fn source_of(&self, moved: [T; 2]) -> [T; 2] {
        let turned = [self.cosine * moved[0] + self.sine * moved[1], self.cosine * moved[1] - self.sine * moved[0]];
        let source = [turned[0] - self.shear * turned[1], turned[1]];
        [0, 1].map(|axis| source[axis] * self.mirror[axis] + self.center[axis])
    }

    /// Columns and rows of the erased rectangle.
    pub(super) fn erased(&self) -> [Range<usize>; 2] {
        [0, 1].map(|axis| self.erased_from[axis] as usize..self.erased_to[axis] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_is_sine_and_cosine() {
        for i in -180..=180 {
            let angle = f64::from(i).to_radians();
            let [sine, cosine] = sine_and_cosine_of_twice(0.5 * angle);
            assert!((sine - angle.sin()).abs() < 2e-7 && (cosine - angle.cos()).abs() < 2.5e-7, "{i} degrees");
        }
    }
}
