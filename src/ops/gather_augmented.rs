//! The next batch, each image moved, mirrored, erased in part and made noisy at random: [`super::gather`] for training
//! that is to see every image a little otherwise in each epoch (Simard, Steinkraus and Platt, "Best Practices for
//! Convolutional Neural Networks", ICDAR 2003; Zhong et al., "Random Erasing Data Augmentation", AAAI 2020).
//!
//! What is done to an image depends on seed, epoch and sample alone, not on the batch that it falls in. The images are
//! seen through the inverse of mirror, shear, rotation, scale and shift, and interpolated bilinearly, with paper around
//! them. Noise is the sum of a random word's four bytes, scaled: Irwin and Hall's distribution of order 4, within
//! 3.5 standard deviations. Where all amounts are 0, the result is that of `gather` to the bit.

use super::gather::{byte, sample_of};
use super::{COUNTERS, NO_LABEL, RANDOM, counter, each_row, roundings, some_counters};
use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, Tolerance, Values, Variant, View};
use crate::random::{Random, step_words, stream};

crate::params! {
    /// Parameters of [`GatherAugmented`].
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
const NOISE: u32 = stream::AUGMENT + 3;
const SINE: &str = include_str!("../../shaders/lib/sine.wgsl");

/// A probability in parts of 2^24: 0 never and 1 always happens.
pub fn threshold(probability: f64) -> u32 {
    (probability.clamp(0.0, 1.0) * 16_777_216.0).round() as u32
}

/// Gathers, augments and normalises a batch.
#[derive(Debug)]
pub struct GatherAugmented;

/// What is done to one image. Pairs are (x, y).
struct Draw<T> {
    half: T,
    sine: T,
    cosine: T,
    shift: [T; 2],
    zoom: T,
    shear: T,
    mirror: [T; 2],
    erased_from: [u32; 2],
    erased_to: [u32; 2],
}

/// From -1 to 1, exact in f32.
fn signed_unit<T: Real>(word: u32) -> T {
    T::of(f64::from(word >> 8) / 8_388_608.0 - 1.0)
}

fn happens(word: u32, threshold: u32) -> bool {
    (word >> 8) < threshold
}

/// Sine and cosine of twice `half`, from -pi/2 to pi/2, by their series.
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
    fn new(params: &GatherAugmentedParams, epoch: u32, sample: u32) -> Self {
        let seed = [params.seed_low, params.seed_high];
        let move_words = step_words(seed, stream::AUGMENT, epoch, sample);
        let choice_words = step_words(seed, stream::AUGMENT + 1, epoch, sample);
        let erase_words = step_words(seed, stream::AUGMENT + 2, epoch, sample);
        let of = |x: f32| T::of(x.into());
        let half = of(params.half_angle) * signed_unit(move_words[0]);
        let [sine, cosine] = sine_and_cosine_of_twice(half);
        let mirror = |word, threshold| if happens(word, threshold) { -T::one() } else { T::one() };
        let mut draw = Self {
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

    /// `place` as seen from the image's centre, shifted and scaled.
    fn moved(&self, params: &GatherAugmentedParams, place: [u32; 2]) -> [T; 2] {
        let centre = centre::<T>(params);
        [0, 1].map(|axis| (T::of(place[axis].into()) - centre[axis] - self.shift[axis]) * self.zoom)
    }

    /// Where in the image the pixel at (x, y) of the result comes from: the inverse of mirror, shear, rotation, scale
    /// and shift in turn, about the image's centre.
    fn source_of(&self, params: &GatherAugmentedParams, place: [u32; 2]) -> [T; 2] {
        let (centre, moved) = (centre::<T>(params), self.moved(params, place));
        let turned = [self.cosine * moved[0] + self.sine * moved[1], self.cosine * moved[1] - self.sine * moved[0]];
        let source = [turned[0] - self.shear * turned[1], turned[1]];
        [0, 1].map(|axis| source[axis] * self.mirror[axis] + centre[axis])
    }

    fn erases(&self, place: [u32; 2]) -> bool {
        (0..2).all(|axis| (self.erased_from[axis]..self.erased_to[axis]).contains(&place[axis]))
    }
}

fn centre<T: Real>(params: &GatherAugmentedParams) -> [T; 2] {
    [params.columns, params.rows].map(|extent| T::of(0.5 * (f64::from(extent) - 1.0)))
}

/// The byte of a pixel; outside of the image there is paper, 0.
fn pixel(params: &GatherAugmentedParams, image: &[u32], x: i64, y: i64) -> f64 {
    let inside = x >= 0 && y >= 0 && x < params.columns.into() && y < params.rows.into();
    if inside { byte(image, y as usize * params.columns as usize + x as usize).into() } else { 0.0 }
}

fn bilinear<T: Real>(params: &GatherAugmentedParams, image: &[u32], source: [T; 2]) -> T {
    let corner = source.map(|s| s.floor());
    let part = [source[0] - corner[0], source[1] - corner[1]];
    let [x, y] = corner.map(|c| c.wide() as i64);
    let pixel = |x, y| T::of(pixel(params, image, x, y));
    let (left, below_left) = (pixel(x, y), pixel(x, y + 1));
    let upper = left + part[0] * (pixel(x + 1, y) - left);
    let lower = below_left + part[0] * (pixel(x + 1, y + 1) - below_left);
    upper + part[1] * (lower - upper)
}

/// The sum of the four bytes of a random word, less its mean: nearly normal, and exact.
fn noise_of(word: u32) -> f64 {
    f64::from(word.to_le_bytes().map(u32::from).iter().sum::<u32>()) - 510.0
}

impl GatherAugmentedParams {
    fn words(&self) -> usize {
        self.features.div_ceil(4) as usize
    }

    fn sample(&self, counters: &[u32], row: usize) -> usize {
        sample_of(self.samples, (self.shuffle != 0).then_some([self.seed_low, self.seed_high]), counters, row)
    }
}

/// The first `params.batch` of the packed `images` in epoch 0, augmented by the twin: to look at them.
pub fn preview(params: &GatherAugmentedParams, images: &[u32]) -> Vec<f32> {
    let (samples, batch) = (params.samples.div_ceil(4) as usize, params.batch as usize);
    let (classes, counters, mut labels) = (vec![0; samples], [1, 0, 0, params.batch], vec![0; batch]);
    let mut inputs = vec![0.0; batch * params.features as usize];
    let views = vec![
        ("images", View::Word(images)),
        ("classes", View::Word(&classes)),
        ("counters", View::Word(&counters)),
        ("inputs", View::RealMut(&mut inputs)),
        ("labels", View::WordMut(&mut labels)),
    ];
    GatherAugmented.twin(params, &mut Args::new(views));
    inputs
}

/// How far the rounded `source` of `place` may lie from the exact one, in pixels.
///
/// Each coordinate is a sum of products of at most 16 roundings (4 to move, 7 with the doubled series to turn, 3 to
/// shear, as scales are at most a half; 2 to spare), of terms below (1 + |shear|) (|x| + |y|), and has the
/// centre added (1 more, of the result and of its fraction). The series is Horner's, off by at most g_21 times the
/// series of absolute values (Higham, section 5.1, with a rounding each for z and the half angle); the doubling
/// multiplies the sine's error by 2 |cosine| + 4 |sine| <= 6, the cosine's by 2 |sine|.
fn coordinate_error(params: &GatherAugmentedParams, draw: &Draw<f64>, place: [u32; 2]) -> f64 {
    let half = draw.half.abs();
    let (of_sine, of_cosine) = (roundings(21) * half.sinh(), roundings(21) * (half.cosh() - 1.0));
    let of_turn = 6.0 * of_sine + 2.0 * of_cosine;
    let [x, y] = draw.moved(params, place).map(f64::abs);
    let [centre_x, centre_y] = centre::<f64>(params);
    let [shift_x, shift_y] = draw.shift.map(f64::abs);
    let reach = (1.0 + draw.shear.abs()) * (x + y);
    // What is subtracted as the shift may cancel, but is rounded before.
    let of_shift = (1.0 + draw.shear.abs()) * draw.zoom * (shift_x + shift_y) * roundings(2);
    reach * (roundings(16) + of_turn) + of_shift + roundings(1) * (1.0 + reach + centre_x + centre_y)
}

/// How far the interpolated byte may be off: the error of the coordinates times the steepest slopes among the cells
/// that they may fall in (interpolation is continuous), and 8 roundings of numbers up to the largest pixel there.
fn byte_error(params: &GatherAugmentedParams, image: &[u32], source: [f64; 2], error: f64) -> (f64, f64) {
    let [columns, rows] = source.map(|s| (s - error).floor() as i64..=(s + error).floor() as i64 + 1);
    let (mut slope, mut most) = ([0.0f64; 2], 0.0f64);
    for y in rows.clone() {
        for x in columns.clone() {
            let value = pixel(params, image, x, y);
            most = most.max(value);
            if x < *columns.end() {
                slope[0] = slope[0].max((pixel(params, image, x + 1, y) - value).abs());
            }
            if y < *rows.end() {
                slope[1] = slope[1].max((pixel(params, image, x, y + 1) - value).abs());
            }
        }
    }
    ((slope[0] + slope[1]) * error + roundings(8) * most, most)
}

impl Kernel for GatherAugmented {
    type Params = GatherAugmentedParams;

    fn name(&self) -> &'static str {
        "gather_augmented"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[COUNTERS, RANDOM, SINE, include_str!("../../shaders/gather_augmented.wgsl")])]
    }

    fn groups(&self, params: &GatherAugmentedParams, _variant: &Variant) -> u64 {
        params.batch.into()
    }

    /// About 40 a pixel: 18 for its source, 10 to interpolate, the rest for floor, scale and noise.
    fn flops(&self, params: &GatherAugmentedParams) -> u64 {
        40 * u64::from(params.batch) * u64::from(params.features)
    }

    /// A batch of bytes in, a batch of floats out; the rest of the set is not touched.
    fn bytes(&self, params: &GatherAugmentedParams, _bound: u64) -> u64 {
        u64::from(params.batch) * (u64::from(params.features) * 5 + 5)
    }

    fn twin<T: Real>(&self, params: &GatherAugmentedParams, args: &mut Args<'_, T>) {
        let (images, classes, counters) = (args.word("images"), args.word("classes"), args.word("counters"));
        let (inputs, labels) = (args.real_mut("inputs"), args.word_mut("labels"));
        let used = |row: usize| row < counters[counter::ROWS] as usize;
        for (row, label) in labels.iter_mut().enumerate() {
            *label = if used(row) { byte(classes, params.sample(counters, row)) } else { NO_LABEL };
        }
        let (words, epoch, seed) = (params.words(), counters[counter::EPOCH], [params.seed_low, params.seed_high]);
        let (scale, noise) = (T::of(1.0 / 255.0), T::of(params.noise.into()));
        each_row(inputs, params.features as usize, |row, inputs| {
            if !used(row) {
                return inputs.fill(T::zero());
            }
            let sample = params.sample(counters, row);
            let image = &images[sample * words..][..words];
            let draw = Draw::<T>::new(params, epoch, sample as u32);
            for (w, inputs) in inputs.chunks_mut(4).enumerate() {
                let mut noise_words = [0; 4];
                if params.noise != 0.0 {
                    noise_words = step_words(seed, NOISE, epoch, (sample * words + w) as u32);
                }
                for (i, input) in inputs.iter_mut().enumerate() {
                    let index = (4 * w + i) as u32;
                    let place = [index % params.columns, index / params.columns];
                    let mut value = bilinear(params, image, draw.source_of(params, place)) * scale;
                    if params.noise != 0.0 {
                        value += noise * T::of(noise_of(noise_words[i]));
                        value = value.max(T::zero()).min(T::one());
                    }
                    *input = if draw.erases(place) { T::zero() } else { value };
                }
            }
        });
    }

    /// The error of the byte, scaled; 1/255, the product, and noise up to 510 of its units cost 4 roundings. Which
    /// sample, flips, and rectangle are integers: exact. Clamping moves no two numbers apart.
    fn tolerance(&self, case: &Case<GatherAugmentedParams>, output: &str, values: &Values) -> Tolerance {
        let (params, expected) = (&case.params, values.after(output));
        let (images, counters) = (values.words("images"), values.words("counters"));
        let (words, features) = (params.words(), params.features as usize);
        let row = |(row, expected): (usize, &[f64])| {
            let sample = params.sample(counters, row);
            let image = &images[sample * words..][..words];
            let draw = Draw::<f64>::new(params, counters[counter::EPOCH], sample as u32);
            let bound = |index: usize| {
                let place = [index as u32 % params.columns, index as u32 / params.columns];
                if row >= counters[counter::ROWS] as usize || draw.erases(place) {
                    return f64::from(f32::MIN_POSITIVE);
                }
                let error = coordinate_error(params, &draw, place);
                let (off, most) = byte_error(params, image, draw.source_of(params, place), error);
                let rounded = most / 255.0 + 510.0 * f64::from(params.noise);
                (off / 255.0 + roundings(4) * rounded).max(f64::from(f32::MIN_POSITIVE))
            };
            (0..expected.len()).map(bound).collect::<Vec<_>>()
        };
        Tolerance { hard: expected.chunks_exact(features).enumerate().flat_map(row).collect(), soft: None }
    }

    fn cases(&self, effort: Effort) -> Vec<Case<GatherAugmentedParams>> {
        let mut random = effort.random();
        let mut shapes =
            vec![[1, 1, 1, 1, 1], [2, 1, 7, 5, 1], [90, 5, 9, 64, 1], [64, 28, 28, 48, 1], [70, 33, 6, 17, 0]];
        let count = effort.count(16, 1000);
        let shape = |random: &mut Random| {
            let below = |random: &mut Random, n| 1 + random.below(n);
            [below(random, 300), below(random, 40), below(random, 40), below(random, 60), random.below(2)]
        };
        shapes.extend((0..count).map(|_| shape(&mut random)));
        let case = |(i, [samples, rows, columns, batch, shuffle]): (usize, [u32; 5])| {
            let [seed_low, seed_high] = [random.bits(), random.bits()];
            // Each of eight on its own by turns, then all, then none.
            let on = |which: usize| i % 10 == which || i % 10 >= 8;
            let all = i % 10 != 9;
            let amount = |which, amount: f32| if on(which) && all { amount } else { 0.0 };
            let chance = |which, chance| if on(which) && all { threshold(chance) } else { 0 };
            let params = GatherAugmentedParams {
                samples,
                features: rows * columns,
                batch,
                shuffle,
                seed_low,
                seed_high,
                rows,
                columns,
                half_angle: amount(3, if i % 20 < 10 { std::f32::consts::FRAC_PI_2 } else { 0.1 }),
                shift: amount(2, 2.5),
                scale: amount(1, 0.3),
                shear: amount(4, 0.4),
                horizontal_flip: chance(5, 0.5),
                vertical_flip: chance(6, 0.5),
                noise: amount(7, (0.1 / NOISE_DEVIATION) as f32),
                erase: chance(0, 0.6),
            };
            Case::new(params, Inputs::Random)
        };
        shapes.into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<GatherAugmentedParams>,
        binding: &str,
        _: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        (binding == "counters").then(|| some_counters(case.params.samples, case.params.batch, random))
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

    #[test]
    fn noise_has_the_deviation_it_is_divided_by() {
        let mut random = Random::new(1, stream::CASES);
        let numbers: Vec<f64> = (0..100_000).map(|_| noise_of(random.bits()) / NOISE_DEVIATION).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 1e5;
        // Five standard errors.
        assert!(mean.abs() < 5.0 / 1e5f64.sqrt() && (variance - 1.0).abs() < 5.0 * (2.0 / 1e5f64).sqrt());
    }
}
