//! An image prepared for interpolation.

use super::params::GatherAugmentedParams;
use crate::kernel::Real;

/// An image as floats, framed with paper.
pub(super) struct Framed<T> {
    pixels: Vec<T>,
    /// Pixels per row, frame included.
    width: usize,
    /// Columns and rows of the image.
    extents: [T; 2],
}

/// Width of the frame: a position in it and its right and lower neighbors are outside the image.
const FRAME: usize = 2;

impl<T: Real> Framed<T> {
    pub(super) fn new(params: &GatherAugmentedParams, image: &[u32]) -> Self {
        let (rows, columns) = (params.rows as usize, params.columns as usize);
        let width = columns + 2 * FRAME;
        let mut pixels = vec![T::zero(); (rows + 2 * FRAME) * width];
        let mut bytes = image.iter().flat_map(|word| word.to_le_bytes());
        for line in pixels.chunks_exact_mut(width).skip(FRAME).take(rows) {
            for (pixel, byte) in line[FRAME..].iter_mut().zip(bytes.by_ref().take(columns)) {
                *pixel = T::of(byte.into());
            }
        }
        Self { pixels, width, extents: [columns, rows].map(|extent| T::of(extent as f64)) }
    }

    /// The value at (x, y), bilinearly interpolated.
    pub(super) fn at(&self, source: [T; 2]) -> T {
        let [(x, part_x), (y, part_y)] = [0, 1].map(|axis| framed(source[axis], self.extents[axis]));
        let corner = &self.pixels[y * self.width + x..][..self.width + 2];
        let along = |left: T, right: T| left + part_x * (right - left);
        let upper = along(corner[0], corner[1]);
        let lower = along(corner[self.width], corner[self.width + 1]);
        upper + part_y * (lower - upper)
    }
}

/// Splits a coordinate into a pixel of the framed image and a fraction. Everything farther outside is paper, so
/// coordinates are clamped to the frame.
fn framed<T: Real>(coordinate: T, extent: T) -> (usize, T) {
    let low = T::of(-(FRAME as f64));
    // Comparisons are faster than `max` and `min`, and there is no NaN here.
    let within = if coordinate < low { low } else { coordinate };
    let within = if within > extent { extent } else { within };
    let truncated = within.wide() as i32;
    let below = truncated - i32::from(T::of(truncated.into()) > within);
    ((below + FRAME as i32) as usize, within - T::of(below.into()))
}
