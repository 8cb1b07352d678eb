//! Shapes and element types of the arrays that plans work on.

use crate::error::{Error, Kind, Result};
use std::fmt;

/// The element type of an array on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float. The f64 oracle widens these, and only these.
    F32,
    /// 32-bit unsigned integer.
    U32,
    /// Bytes, four to a 32-bit word, lowest first; each row (last dimension) starts on a word.
    U8,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::U32 => "u32",
            DType::U8 => "u8",
        })
    }
}

/// Extents of a row-major array, outermost first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// A shape of these extents.
    pub fn new(extents: impl Into<Vec<usize>>) -> Self {
        Self(extents.into())
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> &[usize] {
        &self.0
    }

    /// How many elements, or an error where the product does not fit.
    pub fn elements(&self) -> Result<usize> {
        self.0.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent)).ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("the shape {self} has more elements than can be addressed"),
                "make it smaller",
            )
        })
    }

    /// How many 32-bit words an array of this shape takes on the device.
    pub fn words(&self, dtype: DType) -> Result<usize> {
        match dtype {
            DType::F32 | DType::U32 => self.elements(),
            DType::U8 => {
                let mut padded = self.clone();
                if let Some(row) = padded.0.last_mut() {
                    *row = row.div_ceil(4);
                }
                padded.elements()
            }
        }
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(extents: [usize; N]) -> Self {
        Self(extents.to_vec())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
