//! The next batch with random augmentation: each image is moved, mirrored, partly erased and made noisy. It replaces
//! [`crate::ops::batch::gather`] in training, so that every image looks a little different in each epoch (Simard,
//! Steinkraus and Platt, "Best Practices for Convolutional Neural Networks", ICDAR 2003; Zhong et al., "Random Erasing
//! Data Augmentation", AAAI 2020).
//!
//! The transformation depends only on seed, epoch and sample, not on the batch. Pixels are read through the inverse of
//! mirror, shear, rotation, scale and shift, with bilinear interpolation and paper outside the image. Noise is the
//! scaled sum of a random word's four bytes: an Irwin-Hall distribution of order 4, within 3.5 standard deviations;
//! results are clamped to \[0, 1]. Then a rectangle is erased to paper, and finally pixels are normalized as in
//! `gather`: paper, 0 before, becomes -mean reciprocal, inside and outside the image alike. If all amounts are 0 and
//! the normalization is \[0, 1], the result equals that of `gather` to the bit.

mod bound;
mod draw;
mod frame;
mod params;

pub use params::{GatherAugmentedParams, NOISE_DEVIATION, threshold};

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, View, operations,
};
use crate::ops::batch::gather::{Normalized, byte, some_normalization};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{COUNTERS, IGNORE_INDEX, LABELS, RANDOM, STREAMS, counter, each_row, some_counters};
use crate::random::{Random, step_words, stream};
use bound::pixel_bound;
use draw::Draw;
use frame::Framed;

const SINE: &str = include_str!("../../../../shaders/lib/sine.wgsl");

/// Gathers, augments and normalizes a batch.
#[derive(Debug)]
pub struct GatherAugmentedKernel;

/// Writes an augmented image in \[0, 1] to `inputs`.
fn augment<T: Real>(params: &GatherAugmentedParams, epoch: u32, sample: usize, image: &[u32], inputs: &mut [T]) {
    let draw = Draw::<T>::new(params, epoch, sample as u32);
    let framed = Framed::<T>::new(params, image);
    let scale = T::of(1.0 / 255.0);
    let width = params.columns as usize;
    // All positions of a row first, then its pixels, to allow vectorization.
    let moved_x: Vec<T> = (0..width).map(|x| draw.moved(0, x)).collect();
    let mut sources = vec![[T::zero(); 2]; width];
    for (y, line) in inputs.chunks_exact_mut(width).enumerate() {
        let moved_y = draw.moved(1, y);
        for (source, &moved_x) in sources.iter_mut().zip(&moved_x) {
            *source = draw.source_of([moved_x, moved_y]);
        }
        for (input, &source) in line.iter_mut().zip(&sources) {
            *input = framed.at(source) * scale;
        }
    }
    if params.noise != 0.0 {
        add_noise(params, epoch, sample, inputs);
    }
    let [columns, rows] = draw.erased();
    for line in inputs.chunks_exact_mut(width).take(rows.end).skip(rows.start) {
        line[columns.clone()].fill(T::zero());
    }
}

/// Adds noise to pixels, clamped to \[0, 1].
fn add_noise<T: Real>(params: &GatherAugmentedParams, epoch: u32, sample: usize, inputs: &mut [T]) {
    let (seed, noise) = ([params.seed_low, params.seed_high], T::of(params.noise.into()));
    for (w, inputs) in inputs.chunks_mut(4).enumerate() {
        let words = step_words(seed, stream::AUGMENT_NOISE, epoch, (sample * params.words() + w) as u32);
        for (input, word) in inputs.iter_mut().zip(words) {
            *input = (*input + noise * T::of(noise_of(word))).max(T::zero()).min(T::one());
        }
    }
}

/// The sum of a random word's four bytes minus its mean: approximately normal, and exact.
fn noise_of(word: u32) -> f64 {
    f64::from(word.to_le_bytes().map(u32::from).iter().sum::<u32>()) - 510.0
}

/// The first `params.batch` of the packed `images` as augmented by the twin in epoch 0, in \[0, 1], for display.
pub fn preview(params: &GatherAugmentedParams, images: &[u32]) -> Vec<f32> {
    let (samples, batch) = (params.samples.div_ceil(4) as usize, params.batch as usize);
    let (classes, counters, mut labels) = (vec![0; samples], [1, 0, 0, params.batch], vec![0; batch]);
    let mut inputs = vec![0.0; batch * params.features as usize];
    let views = vec![
        ("items", View::Word(images)),
        ("classes", View::Word(&classes)),
        ("counters", View::Word(&counters)),
        ("normalization", View::Real(&[0.0, 1.0])),
        ("inputs", View::RealMut(&mut inputs)),
        ("labels", View::WordMut(&mut labels)),
    ];
    GatherAugmentedKernel.twin(params, &mut Args::new(views));
    inputs
}

impl Kernel for GatherAugmentedKernel {
    type Params = GatherAugmentedParams;

    fn name(&self) -> &'static str {
        "gather_augmented"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[
            COUNTERS,
            LABELS,
            STREAMS,
            RANDOM,
            SINE,
            include_str!("../../../../shaders/gather_augmented.wgsl"),
        ])]
    }

    fn groups(&self, params: &GatherAugmentedParams, _variant: &Variant) -> u64 {
        params.batch.into()
    }

    /// About 40 per pixel: 18 for the source position, 10 for interpolation, the rest for floor, scale, noise and
    /// normalization.
    fn flops(&self, params: &GatherAugmentedParams) -> u64 {
        operations(40, [params.batch, params.features])
    }

    /// Reads a batch of bytes, writes a batch of floats; the rest of the data set is not touched.
    fn bytes(&self, params: &GatherAugmentedParams, _bound: u64) -> u64 {
        operations(5 * u64::from(params.features) + 5, [params.batch])
    }

    fn twin<T: Real>(&self, params: &GatherAugmentedParams, args: &mut Args<'_, T>) {
        let (images, classes, counters) = (args.word("items"), args.word("classes"), args.word("counters"));
        let normalization = args.real("normalization");
        let (inputs, labels) = (args.real_mut("inputs"), args.word_mut("labels"));
        let (mean, reciprocal) = (normalization[0], normalization[1]);
        let used = |row: usize| row < counters[counter::ROWS] as usize;
        for (row, label) in labels.iter_mut().enumerate() {
            *label = if used(row) { byte(classes, params.sample(counters, row)) } else { IGNORE_INDEX };
        }
        each_row(inputs, params.features as usize, |row, inputs| {
            if used(row) {
                let sample = params.sample(counters, row);
                let image = &images[sample * params.words()..][..params.words()];
                augment(params, counters[counter::EPOCH], sample, image, inputs);
                inputs.iter_mut().for_each(|input| *input = (*input - mean) * reciprocal);
            } else {
                inputs.fill(T::zero());
            }
        });
    }

    /// The bound of a pixel; erased ones are exactly 0 before normalization.
    fn tolerance(&self, case: &Case<GatherAugmentedParams>, output: &str, values: &Values) -> Tolerance {
        let (params, expected) = (&case.params, values.after(output));
        let (images, counters) = (values.words("items"), values.words("counters"));
        let (words, features, columns) = (params.words(), params.features as usize, params.columns as usize);
        let normalized = Normalized::of(values);
        let row = |(row, expected): (usize, &[f64])| {
            let sample = params.sample(counters, row);
            let image = &images[sample * words..][..words];
            let draw = Draw::<f64>::new(params, counters[counter::EPOCH], sample as u32);
            let erased = draw.erased();
            let bound = |(index, &input): (usize, &f64)| {
                let place = [index % columns, index / columns];
                if row >= counters[counter::ROWS] as usize {
                    f64::from(f32::MIN_POSITIVE)
                } else if (0..2).all(|axis| erased[axis].contains(&place[axis])) {
                    normalized.bound(input, 0.0)
                } else {
                    normalized.bound(input, pixel_bound(params, &draw, image, place))
                }
            };
            expected.iter().enumerate().map(bound).collect::<Vec<_>>()
        };
        Tolerance { hard: expected.chunks_exact(features).enumerate().flat_map(row).collect(), soft: None }
    }

    fn cases(&self, effort: Effort) -> Vec<Case<GatherAugmentedParams>> {
        let mut random = effort.random();
        let mut shapes =
            vec![[1, 1, 1, 1, 1], [2, 1, 7, 5, 1], [90, 5, 9, 64, 1], [64, 28, 28, 48, 1], [70, 33, 6, 17, 0]];
        let count = effort.count(16, 2000);
        let shape = |random: &mut Random| {
            let below = |random: &mut Random, n| 1 + random.below(n);
            [below(random, 300), below(random, 40), below(random, 40), below(random, 60), random.below(2)]
        };
        shapes.extend((0..count).map(|_| shape(&mut random)));
        let case = |(i, [samples, rows, columns, batch, shuffle]): (usize, [u32; 5])| {
            let [seed_low, seed_high] = [random.bits(), random.bits()];
            // Each of the eight amounts alone in turn, then all, then none.
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
        match binding {
            "counters" => Some(some_counters(case.params.samples, case.params.batch, random)),
            "normalization" => Some(some_normalization(random)),
            _ => None,
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("the row it gathers depends on counters and position")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "row < counters[ROWS]", to: "row <= counters[ROWS]" },
            ShaderFault { from: "draw.cosine * moved.y - draw.sine", to: "draw.cosine * moved.y + draw.sine" },
            ShaderFault { from: "1.0 / 120.0", to: "1.0 / 121.0" },
            ShaderFault { from: "* draw.zoom", to: "" },
            ShaderFault { from: "draw.shear * turned.y", to: "draw.shear * turned.x" },
            ShaderFault { from: "- draw.shift", to: "+ draw.shift" },
            ShaderFault { from: "part.x * (pixel(sample, x + 1, y + 1)", to: "part.y * (pixel(sample, x + 1, y + 1)" },
            ShaderFault { from: "x >= 0 && y >= 0", to: "y >= 0" },
            ShaderFault { from: "params.horizontal_flip)", to: "params.vertical_flip)" },
            ShaderFault { from: "choice_words.z, params.vertical_flip", to: "choice_words.y, params.vertical_flip" },
            ShaderFault { from: "- 510.0", to: "- 511.0" },
            ShaderFault { from: "sample * words + index", to: "index" },
            ShaderFault { from: "noise_words[index % 4u]", to: "noise_words[index % 3u]" },
            ShaderFault { from: "0.0, 1.0)", to: "0.0, 2.0)" },
            ShaderFault { from: "(extent - size + 1u)", to: "(extent - size)" },
            ShaderFault { from: "place < draw.erased_to", to: "place <= draw.erased_to" },
            ShaderFault { from: "- normalization[0]", to: "+ normalization[0]" },
            ShaderFault { from: "* normalization[1]", to: "" },
            ShaderFault { from: "select(0.0, input, used)", to: "input" },
        ]
    }
}

impl Registered for GatherAugmentedKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("gathers bytes, which are not differentiable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
