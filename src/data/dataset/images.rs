//! Views inputs as grayscale images.

use super::{Field, Split};
use crate::error::{Error, Kind, Result};

/// A split's only input as grayscale images; 0 is paper, 255 is ink.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// Height of an image in pixels.
    pub rows: usize,
    /// Width of an image in pixels.
    pub columns: usize,
    /// `[n, rows, columns]`, row-major.
    pub pixels: &'a [u8],
}

impl<'a> Images<'a> {
    /// The images of a split whose only input is bytes of shape `[rows, columns]`.
    ///
    /// # Errors
    /// Returns an error if it is anything else.
    pub fn of(split: &'a Split) -> Result<Self> {
        match split.inputs() {
            [input] => match (input.item().extents(), input.bytes()) {
                (&[rows, columns], Some(pixels)) => Some(Self { rows, columns, pixels }),
                _ => None,
            },
            _ => None,
        }
        .ok_or_else(|| unlike(split, "grayscale images (bytes of shape [rows, columns])"))
    }

    /// The same for bytes of any shape; items that are not two-dimensional are treated as images with one row.
    ///
    /// # Errors
    /// Returns an error if there are several inputs, or the only one does not hold bytes.
    pub fn of_bytes(split: &'a Split) -> Result<Self> {
        Self::of(split).or_else(|_| {
            match split.inputs() {
                [input] => input.bytes().map(|pixels| Self { rows: 1, columns: input.features(), pixels }),
                _ => None,
            }
            .ok_or_else(|| unlike(split, "one input of bytes"))
        })
    }

    /// Pixels per image.
    pub fn size(&self) -> usize {
        self.rows * self.columns
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The pixels of image `i`; panics if there is no such image, as indexing does.
    pub fn image(&self, i: usize) -> &'a [u8] {
        &self.pixels[i * self.size()..][..self.size()]
    }
}

fn unlike(split: &Split, expected: &str) -> Error {
    let found: Vec<_> = split.inputs().iter().map(Field::describe).collect();
    let cause = format!("expected {expected}, found inputs of {}", found.join(" and "));
    Error::new(Kind::Data, cause, "use a data set of images")
}
