//! Error bound of an augmented pixel.

use super::draw::Draw;
use super::params::GatherAugmentedParams;
use crate::ops::batch::gather::byte;
use crate::ops::support::roundings;

/// Error bound of the augmented pixel at `place` in \[0, 1], except noise and erasing.
///
/// The byte's error, scaled; 1/255, the product, and noise of up to 510 units cost 4 roundings. Sample, flips and
/// rectangle are integers: exact. Clamping does not increase differences.
pub(super) fn pixel_bound(params: &GatherAugmentedParams, draw: &Draw<f64>, image: &[u32], place: [usize; 2]) -> f64 {
    let moved = [0, 1].map(|axis| draw.moved(axis, place[axis]));
    let (off, most) = byte_error(params, image, draw.source_of(moved), coordinate_error(draw, moved));
    let rounded = most / 255.0 + 510.0 * f64::from(params.noise);
    off / 255.0 + roundings(4) * rounded
}

/// Error bound in pixels of the source position of a pixel `moved` to there.
///
/// Each coordinate is a sum of products with at most 16 roundings (4 to move, 7 with the doubled series to rotate, 3 to
/// shear, as scales are at most a half; 2 to spare), of terms below (1 + |shear|) (|x| + |y|), plus the center (1 more,
/// of the result and of its fraction). The series is evaluated by Horner's rule, with an error of at most g_21 times
/// the series of absolute values (Higham, section 5.1, with a rounding each for z and the half angle); doubling
/// multiplies the sine's error by 2 |cosine| + 4 |sine| <= 6, the cosine's by 2 |sine|.
fn coordinate_error(draw: &Draw<f64>, moved: [f64; 2]) -> f64 {
    let half = draw.half.abs();
    let (of_sine, of_cosine) = (roundings(21) * half.sinh(), roundings(21) * (half.cosh() - 1.0));
    let of_turn = 6.0 * of_sine + 2.0 * of_cosine;
    let [x, y] = moved.map(f64::abs);
    let [center_x, center_y] = draw.center;
    let [shift_x, shift_y] = draw.shift.map(f64::abs);
    let reach = (1.0 + draw.shear.abs()) * (x + y);
    // The subtraction of the shift may cancel, but only after rounding.
    let of_shift = (1.0 + draw.shear.abs()) * draw.zoom * (shift_x + shift_y) * roundings(2);
    reach * (roundings(16) + of_turn) + of_shift + roundings(1) * (1.0 + reach + center_x + center_y)
}

/// Error bound of the interpolated byte: the coordinate error times the steepest slope among the cells it may fall in
/// (interpolation is continuous), and 8 roundings of values up to the largest pixel there.
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

/// The value of a pixel; 0 (paper) outside the image.
fn pixel(params: &GatherAugmentedParams, image: &[u32], x: i64, y: i64) -> f64 {
    let inside = x >= 0 && y >= 0 && x < params.columns.into() && y < params.rows.into();
    if inside { byte(image, y as usize * params.columns as usize + x as usize).into() } else { 0.0 }
}
