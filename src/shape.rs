//! Types of the arrays that plans work on: shape, element type and layout.

use crate::error::{Error, Kind, Result};
use std::fmt;

/// The element type of an array on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// How the elements of a tensor follow one another in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// The last dimension varies fastest.
    #[default]
    RowMajor,
}

/// What every value, slot and binding declares: extents, element type and layout.
///
/// Printed as on a shader's bindings: `[4, 5]` for f32, `[4] u32` for other element types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorType {
    /// The extents, in an order that does not depend on the layout.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// How the elements lie.
    pub layout: Layout,
}

impl TensorType {
    /// Elements of `dtype` in row-major order.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype, layout: Layout::default() }
    }

    /// 32-bit floats in row-major order.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self::new(DType::F32, shape)
    }

    /// The same type with another shape.
    #[must_use]
    pub fn with_shape(&self, shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), ..*self }
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> &[usize] {
        self.shape.extents()
    }

    /// How many 32-bit words a tensor of this type takes on the device.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub fn words(&self) -> Result<usize> {
        self.shape.words(self.dtype)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            DType::F32 => self.shape.fmt(f),
            dtype => write!(f, "{} {dtype}", self.shape),
        }
    }
}
