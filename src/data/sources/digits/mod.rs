//! The embedded data set: handwriting-like digits, generated on demand.
//!
//! A digit is a skeleton from [`glyphs`], randomly bent, slanted, scaled and shifted, and drawn with a pen of random
//! width. Each image depends only on the seed and its index. Only `+ - * /`, square roots and comparisons are used,
//! which IEEE 754 rounds deterministically: every platform draws the same bytes.

#[rustfmt::skip] // points of a curve belong on one line, or two
mod glyphs;
mod pen;

use super::format::DataFormat;
use crate::data::{Dataset, Provenance, Split, Task};
use crate::random::{Random, stream};
use glyphs::{GLYPHS, Stroke};
use pen::{Canvas, Dot, SIDE};
use rayon::prelude::*;

/// Registry entry.
pub(super) const FORMAT: DataFormat = DataFormat {
    value: "digits",
    about: "embedded",
    files: "",
    recognizes: |name| name == "digits",
    load: |_, _| Ok(digits(DIGITS_SEED)),
};

/// The seed of the embedded set, used by `--data digits`.
pub const DIGITS_SEED: u64 = 1;

const TRAIN: usize = 10_000;
const TEST: usize = 2_000;

/// The digits 0 to 9.
const CLASSES: usize = 10;

/// Line segments per curve between two points.
const PIECES: usize = 4;

/// Generates the embedded set: 10,000 training and 2,000 test images, 28 x 28, with balanced classes.
pub fn digits(seed: u64) -> Dataset {
    let mut order = Random::new(seed, stream::EMBEDDED + (TRAIN + TEST) as u32);
    let train = split(seed, 0, balanced_labels(TRAIN, &mut order));
    let test = split(seed, TRAIN, balanced_labels(TEST, &mut order));
    let source = Provenance { format: "embedded", place: "digits".to_owned() };
    let data = Dataset::new("digits", Task::classify(CLASSES), train, source).and_then(|data| data.with_test(test));
    data.expect("labels are drawn below the number of classes")
}

/// Equally many of each class, in random order (Durstenfeld, "Algorithm 235: Random permutation", CACM 7(7), 1964).
fn balanced_labels(count: usize, random: &mut Random) -> Vec<u8> {
    let mut labels: Vec<u8> = (0..count).map(|i| (i % CLASSES) as u8).collect();
    for last in (1..count).rev() {
        labels.swap(last, random.below(last as u32 + 1) as usize);
    }
    labels
}

fn split(seed: u64, first: usize, labels: Vec<u8>) -> Split {
    let mut images = vec![0; labels.len() * SIDE * SIDE];
    images.par_chunks_exact_mut(SIDE * SIDE).zip(&labels).enumerate().for_each(|(i, (image, &label))| {
        let random = Random::new(seed, stream::EMBEDDED + (first + i) as u32);
        draw(usize::from(label), random, image);
    });
    Split::of_images([SIDE, SIDE], images, labels).expect("an image is drawn for each label")
}

fn draw(digit: usize, mut random: Random, image: &mut [u8]) {
    let glyphs = GLYPHS[digit];
    let glyph = glyphs[random.below(glyphs.len() as u32) as usize];
    let bend = Bend::new(&mut random);
    let mut strokes: Vec<Vec<Point>> = glyph
        .iter()
        .map(|stroke| {
            let mut path = curve(&shaken(stroke, &mut random));
            fray(&mut path, &mut random);
            path.iter_mut().for_each(|point| *point = bend.apply(*point));
            path
        })
        .collect();
    place(&mut strokes, &mut random);

    let softness = random.between(0.5, 1.1);
    let radius = random.between(0.75, 1.7);
    let mut canvas = Canvas::new(softness);
    for stroke in &strokes {
        let (start, end) = (radius * random.between(0.8, 1.15), radius * random.between(0.7, 1.15));
        let step = (end - start) / stroke.len() as f32;
        let dot = |(i, &(x, y)): (usize, &Point)| Dot { x, y, radius: start + step * i as f32 };
        let dots: Vec<Dot> = stroke.iter().enumerate().map(dot).collect();
        dots.windows(2).for_each(|pair| canvas.line(pair[0], pair[1]));
    }

    let (strength, grain) = (random.between(205.0, 285.0), random.between(0.0, 0.25));
    for (pixel, ink) in image.iter_mut().zip(canvas.ink(softness)) {
        if ink > 0.0 {
            *pixel = (strength * ink * (1.0 - grain * random.uniform()) + 0.5).min(255.0) as u8;
        }
    }
}

type Point = (f32, f32);

/// Approximately normal with standard deviation `spread`, without logarithm and cosine, whose rounding is
/// platform-dependent: a sum of three uniforms has variance 1/4.
fn wobble(random: &mut Random, spread: f32) -> f32 {
    2.0 * spread * (random.uniform() + random.uniform() + random.uniform() - 1.5)
}

/// The points of a stroke relative to the center, each slightly displaced.
fn shaken(stroke: Stroke, random: &mut Random) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::with_capacity(stroke.len());
    for (i, &(x, y)) in stroke.iter().enumerate() {
        // A corner is a repeated point: both must move together.
        let point = match points.last() {
            Some(&last) if stroke[i - 1] == (x, y) => last,
            _ => {
                (f32::from(x) / 100.0 - 0.5 + wobble(random, 0.022), f32::from(y) / 100.0 - 0.5 + wobble(random, 0.022))
            }
        };
        points.push(point);
    }
    points
}

/// A smooth curve through `points`, as a polyline. Source: Catmull and Rom, "A Class of Local Interpolating Splines",
/// Computer Aided Geometric Design, 1974, with tension 1/2.
fn curve(points: &[Point]) -> Vec<Point> {
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    let mut path = vec![at(0)];
    for i in 0..points.len() as isize - 1 {
        let (p0, p1, p2, p3) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        if p1 == p2 {
            continue;
        }
        let blend = |a: f32, b: f32, c: f32, d: f32, t: f32| {
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
        };
        path.extend((1..=PIECES).map(|piece| {
            let t = piece as f32 / PIECES as f32;
            (blend(p0.0, p1.0, p2.0, p3.0, t), blend(p0.1, p1.1, p2.1, p3.1, t))
        }));
    }
    path
}

/// Trims both ends a little, like a pen that lands late or lifts early.
fn fray(path: &mut Vec<Point>, random: &mut Random) {
    let most = path.len() as u32 / 8 + 1;
    path.truncate(path.len() - random.below(most) as usize);
    path.drain(..random.below(most) as usize);
}

/// A smooth distortion: a random polynomial of degree three, then a linear map that rotates, slants and stretches.
struct Bend {
    cubic: [Point; 7],
    linear: [f32; 4],
}

impl Bend {
    fn new(random: &mut Random) -> Self {
        let mut cubic = [(0.0, 0.0); 7];
        for (i, coefficient) in cubic.iter_mut().enumerate() {
            let spread = if i < 3 { 0.13 } else { 0.22 };
            *coefficient = (wobble(random, spread), wobble(random, spread));
        }
        // With t the tangent of half the angle, (1 - t^2, 2 t) / (1 + t^2) are cosine and sine.
        let t = wobble(random, 0.05);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let slant = 0.14 + wobble(random, 0.15);
        let width = random.between(0.72, 1.12);
        // Rotation times (stretch in x, then slant: higher points move right).
        let linear = [cos * width, -cos * slant - sin, sin * width, cos - sin * slant];
        Self { cubic, linear }
    }

    fn apply(&self, (x, y): Point) -> Point {
        let terms = [x * x, x * y, y * y, x * x * x, x * x * y, x * y * y, y * y * y];
        let (mut bx, mut by) = (x, y);
        for (term, (cx, cy)) in terms.iter().zip(&self.cubic) {
            bx += term * cx;
            by += term * cy;
        }
        let [xx, xy, yx, yy] = self.linear;
        (xx * bx + xy * by, yx * bx + yy * by)
    }
}

/// Scales the strokes to a random height and places them near the center, entirely inside the canvas.
fn place(strokes: &mut [Vec<Point>], random: &mut Random) {
    let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
    for &(x, y) in strokes.iter().flatten() {
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    let (width, height) = (high.0 - low.0, high.1 - low.1);
    let scale = (random.between(17.0, 20.5) / height).min(20.5 / width);
    // Space within a margin of two pixels, reserved for the pen's width.
    let room = |extent: f32| SIDE as f32 / 2.0 - 2.0 - 0.5 * extent * scale;
    let mut middle = |extent: f32| SIDE as f32 / 2.0 + wobble(random, 0.75).clamp(-room(extent), room(extent));
    let (cx, cy) = (middle(width), middle(height));
    for (x, y) in strokes.iter_mut().flatten() {
        *x = cx + scale * (*x - 0.5 * (low.0 + high.0));
        *y = cy + scale * (*y - 0.5 * (low.1 + high.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::collections::HashSet;

    fn parts(set: &Dataset) -> [&Split; 2] {
        [set.train(), set.test().expect("digits have a test part")]
    }

    fn checksum(set: &Dataset) -> String {
        let mut hash = Sha256::new();
        parts(set).iter().flat_map(|split| [&split.inputs()[0], split.targets()]).for_each(|field| {
            hash.update(field.bytes().expect("all of it is bytes"));
        });
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reported accuracies and the golden runs depend on these exact images.
    #[test]
    fn every_platform_draws_the_same_bytes() {
        assert_eq!(
            checksum(&digits(DIGITS_SEED)),
            "2a3cc23a19f88ce16602cbe2175cd35705f7302575d7b8fc5c5507ebf7f710e6",
            "the digits have changed"
        );
    }

    #[test]
    fn images_depend_on_the_seed_and_not_on_the_threads() {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let [one, three] = [1, 3].map(|threads| pool(threads).install(|| digits(5)));
        assert!(one == three);
        assert_ne!(checksum(&one), checksum(&digits(6)));
    }

    #[test]
    fn classes_are_balanced_and_shuffled() {
        let set = digits(DIGITS_SEED);
        for (split, each) in parts(&set).into_iter().zip([1_000, 200]) {
            assert_eq!(split.class_counts(CLASSES), [each; CLASSES]);
            let labels = split.targets().bytes().expect("labels are bytes");
            // One in ten repeats its neighbor's class in random order: allow five deviations of the binomial.
            let repeats = labels.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
            let (mean, deviation) = (split.len() as f64 * 0.1, (split.len() as f64 * 0.09).sqrt());
            assert!((repeats - mean).abs() < 5.0 * deviation, "{repeats} repeats, expected about {mean}");
        }
    }

    #[test]
    fn no_image_occurs_twice_and_none_is_blank() {
        let set = digits(DIGITS_SEED);
        let [train, test] = parts(&set).map(|split| split.inputs()[0].bytes().expect("images are bytes"));
        let images = || [train, test].into_iter().flat_map(|images| images.chunks_exact(SIDE * SIDE));
        assert_eq!(images().collect::<HashSet<_>>().len(), TRAIN + TEST);
        for image in images() {
            let inked = image.iter().filter(|&&pixel| pixel > 64).count();
            assert!((14..350).contains(&inked), "{inked} pixels of 784 have ink");
        }
    }

    #[test]
    fn a_curve_passes_through_its_points_and_keeps_its_corners() {
        let path = curve(&[(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0)]);
        assert_eq!(path.len(), 1 + 2 * PIECES);
        assert_eq!(path[PIECES], (1.0, 0.0));
        assert!(path[..PIECES].iter().all(|point| point.1 == 0.0), "straight up to the corner: {path:?}");
        let through = curve(&[(0.0, 0.0), (0.25, 0.5), (0.75, 0.375), (1.0, 1.0)]);
        assert_eq!((through[PIECES], through[2 * PIECES]), ((0.25, 0.5), (0.75, 0.375)), "exact in eighths");
    }
}
