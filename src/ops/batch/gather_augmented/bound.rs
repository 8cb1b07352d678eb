//! How far a rounded pixel may lie from the exact one.

use super::draw::Draw;
use super::params::GatherAugmentedParams;
use crate::ops::batch::gather::byte;
use crate::ops::support::roundings;

/// What the augmented pixel at `place` may be off by, of numbers from 0 to 1, but for noise and what is erased.
///
/// The error of the byte, scaled; 1/255, the product, and noise up to 510 of its units cost 4 roundings. Which sample,
/// flips, and rectangle are integers: exact. Clamping moves no two numbers apart.
pub(super) fn pixel_bound(params: &GatherAugmentedParams, draw: &Draw<f64>, image: &[u32], place: [usize; 2]) -> f64 {
    let moved = [0, 1].map(|axis| draw.moved(axis, place[axis]));
    let (off, most) = byte_error(params, image, draw.source_of(moved), coordinate_error(draw, moved));
    let rounded = most / 255.0 + 510.0 * f64::from(params.noise);
    off / 255.0 + roundings(4) * rounded
}

/// How far the rounded source of a pixel that was `moved` may lie from the exact one, in pixels.
///
/// Each coordinate is a sum of products of at most 16 roundings (4 to move, 7 with the doubled series to turn, 3 to
/// shear, as scales are at most a half; 2 to spare), of terms below (1 + |shear|) (|x| + |y|), and has the
/// centre added (1 more, of the result and of its fraction). The series is Horner's, off by at most g_21 times the
/// series of absolute values (Higham, section 5.1, with a rounding each for z and the half angle); the doubling
/// multiplies the sine's error by 2 |cosine| + 4 |sine| <= 6, the cosine's by 2 |sine|.
fn coordinate_error(draw: &Draw<f64>, moved: [f64; 2]) -> f64 {
    let half = draw.half.abs();
    let (of_sine, of_cosine) = (roundings(21) * half.sinh(), roundings(21) * (half.cosh() - 1.0));
    let of_turn = 6.0 * of_sine + 2.0 * of_cosine;
    let [x, y] = moved.map(f64::abs);
    let [centre_x, centre_y] = draw.centre;
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

/// The byte of a pixel; outside of the image there is paper, 0.
fn pixel(params: &GatherAugmentedParams, image: &[u32], x: i64, y: i64) -> f64 {
    let inside = x >= 0 && y >= 0 && x < params.columns.into() && y < params.rows.into();
    if inside { byte(image, y as usize * params.columns as usize + x as usize).into() } else { 0.0 }
}
