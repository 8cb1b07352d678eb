//! Columns of a data set: `n` items of one shape and one element type.

use crate::error::{Error, Kind, Result};
use crate::shape::{DType, Shape, TensorType};
use std::ops::Range;

/// The elements of a [`Field`] on the host, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValues {
    /// Bytes.
    U8(Vec<u8>),
    /// 16-bit unsigned integers.
    U16(Vec<u16>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
    /// 32-bit floats.
    F32(Vec<f32>),
}

/// Evaluates the same expression for the values of each element type.
macro_rules! each {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            FieldValues::U8($x) => $body,
            FieldValues::U16($x) => $body,
            FieldValues::U32($x) => $body,
            FieldValues::F32($x) => $body,
        }
    };
}

/// The same, as values of the same type.
macro_rules! map {
    ($values:expr, $x:ident => $body:expr) => {
        match $values {
            FieldValues::U8($x) => FieldValues::U8($body),
            FieldValues::U16($x) => FieldValues::U16($body),
            FieldValues::U32($x) => FieldValues::U32($body),
            FieldValues::F32($x) => FieldValues::F32($body),
        }
    };
}

impl FieldValues {
    /// Number of elements.
    pub fn len(&self) -> usize {
        each!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type on the device. 16-bit integers are widened there: WGSL has none.
    pub fn dtype(&self) -> DType {
        match self {
            Self::U8(_) => DType::U8,
            Self::U16(_) | Self::U32(_) => DType::U32,
            Self::F32(_) => DType::F32,
        }
    }

    /// The name of the element type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::U16(_) => "u16",
            Self::U32(_) => "u32",
            Self::F32(_) => "f32",
        }
    }

    /// Element `i` if this holds integers and has so many; otherwise `None`.
    pub fn integer(&self, i: usize) -> Option<u32> {
        match self {
            Self::U8(values) => values.get(i).map(|&x| x.into()),
            Self::U16(values) => values.get(i).map(|&x| x.into()),
            Self::U32(values) => values.get(i).copied(),
            Self::F32(_) => None,
        }
    }
}

/// `n` items of one shape and element type: an input of a model, or its targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    name: String,
    item: TensorType,
    size: usize,
    values: FieldValues,
    lengths: Option<Vec<u32>>,
}

impl Field {
    /// A field of as many items of shape `item` as `values` hold. A scalar has the shape `[]`.
    ///
    /// # Errors
    /// Returns an error if an item has no elements, or the values are not a whole number of items.
    pub fn new(name: impl Into<String>, item: impl Into<Shape>, values: FieldValues) -> Result<Self> {
        let (name, item) = (name.into(), TensorType::new(values.dtype(), item));
        let size = item.shape.elements()?;
        let found = values.len();
        if size == 0 || !found.is_multiple_of(size) {
            let cause = format!(
                "field `{name}`: expected a multiple of {size} values (items of {}), found {found}",
                item.shape
            );
            return Err(Error::new(Kind::Data, cause, "use complete, nonempty items"));
        }
        Ok(Self { name, item, size, values, lengths: None })
    }

    /// The same field with a length per item: the number of valid entries along the item's first axis.
    ///
    /// # Errors
    /// Returns an error unless there is one length per item and none exceeds the first extent.
    pub fn with_lengths(self, lengths: Vec<u32>) -> Result<Self> {
        let most = self.item.extents().first().copied().unwrap_or(0);
        let cause = if lengths.len() != self.len() {
            format!("field `{}`: expected {} lengths, one per item, found {}", self.name, self.len(), lengths.len())
        } else if let Some(i) = lengths.iter().position(|&length| length as usize > most) {
            format!("field `{}`: expected lengths of at most {most}, found {} for item {i}", self.name, lengths[i])
        } else {
            return Ok(Self { lengths: Some(lengths), ..self });
        };
        Err(Error::new(Kind::Data, cause, "give the number of valid entries of each item"))
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of an item on the device.
    pub fn item(&self) -> &TensorType {
        &self.item
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.values.len() / self.size
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Elements per item.
    pub fn features(&self) -> usize {
        self.size
    }

    /// All elements, `[n, item]`.
    pub fn values(&self) -> &FieldValues {
        &self.values
    }

    /// The number of valid entries along each item's first axis; all of them if `None`.
    pub fn lengths(&self) -> Option<&[u32]> {
        self.lengths.as_deref()
    }

    /// All elements if they are bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.values {
            FieldValues::U8(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether `other` has items of the same shape and element type.
    pub fn is_like(&self, other: &Self) -> bool {
        self.item == other.item && self.values.type_name() == other.values.type_name()
    }

    /// Item `i` as a class index: `None` unless items are single integers and there is such an item.
    pub fn class(&self, i: usize) -> Option<usize> {
        if self.item.extents().is_empty() { self.values.integer(i).map(|class| class as usize) } else { None }
    }

    /// The items at these indices, in this order; panics if one is out of range, as indexing does.
    pub fn select(&self, indices: &[usize]) -> Self {
        let lengths = self.lengths.as_ref().map(|lengths| indices.iter().map(|&i| lengths[i]).collect());
        let values = map!(&self.values, values => select(values, self.size, indices));
        Self { values, lengths, name: self.name.clone(), item: self.item.clone(), ..*self }
    }

    /// The items of a range; panics if it is out of range, as slicing does.
    pub fn range(&self, range: Range<usize>) -> Self {
        let lengths = self.lengths.as_ref().map(|lengths| lengths[range.clone()].to_vec());
        let elements = range.start * self.size..range.end * self.size;
        let values = map!(&self.values, values => values[elements].to_vec());
        Self { values, lengths, name: self.name.clone(), item: self.item.clone(), ..*self }
    }

    /// The type of the array that holds all items on the device: `[n, features]`, or `[n]` for scalars.
    pub fn array(&self) -> TensorType {
        match self.item.extents() {
            [] => self.item.with_shape([self.len()]),
            _ => self.item.with_shape([self.len(), self.size]),
        }
    }

    /// Shape and element type on the host, such as `[28, 28] u8`.
    pub fn describe(&self) -> String {
        format!("{} {}", self.item.shape, self.values.type_name())
    }

    /// The words of [`Self::array`] as the device stores them: bytes four to a word, lowest first, each row starting on a
    /// word; 16-bit integers widened to a word each.
    pub fn packed(&self) -> Vec<u32> {
        match &self.values {
            FieldValues::U8(bytes) => {
                let columns = self.array().extents().last().copied().unwrap_or(1);
                let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
                bytes.chunks(columns.max(1)).flat_map(|row| row.chunks(4)).map(word).collect()
            }
            FieldValues::U16(values) => values.iter().map(|&x| x.into()).collect(),
            FieldValues::U32(values) => values.clone(),
            FieldValues::F32(values) => values.iter().map(|x| x.to_bits()).collect(),
        }
    }
}

fn select<T: Copy>(values: &[T], size: usize, indices: &[usize]) -> Vec<T> {
    let mut selected = Vec::with_capacity(indices.len() * size);
    indices.iter().for_each(|&i| selected.extend_from_slice(&values[i * size..][..size]));
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(item: &[usize], values: FieldValues) -> Field {
        Field::new("x", Shape::new(item), values).expect("whole items")
    }

    #[test]
    fn values_are_whole_items_and_lengths_fit_them() {
        let six = || FieldValues::U16(vec![0, 1, 2, 300, 400, 500]);
        let sound = field(&[3], six());
        assert_eq!((sound.len(), sound.features(), sound.values().integer(4)), (2, 3, Some(400)));
        for (item, words) in [(vec![4], "multiple of 4"), (vec![0], "multiple of 0"), (vec![2, 2], "items of [2, 2]")] {
            let error = Field::new("x", Shape::new(item), six()).expect_err("not whole");
            assert!(error.kind() == Kind::Data && error.cause().contains(words), "{error}");
        }
        assert!(Field::new("x", [usize::MAX, 2], six()).is_err());
        assert_eq!(sound.clone().with_lengths(vec![3, 0]).expect("they fit").lengths(), Some(&[3, 0][..]));
        for (lengths, words) in [(vec![1], "expected 2 lengths"), (vec![1, 4], "at most 3, found 4 for item 1")] {
            let error = sound.clone().with_lengths(lengths).expect_err("refused");
            assert!(error.cause().contains(words), "{error}");
        }
    }

    #[test]
    fn items_of_every_type_are_selected_with_their_lengths() {
        for values in [
            FieldValues::U8((0..6).collect()),
            FieldValues::U16((0..6).collect()),
            FieldValues::U32((0..6).collect()),
            FieldValues::F32((0..6u8).map(f32::from).collect()),
        ] {
            let name = values.type_name();
            let all = field(&[2], values).with_lengths(vec![0, 1, 2]).expect("they fit");
            let some = all.select(&[2, 0, 2]);
            assert_eq!((some.len(), some.lengths(), some.is_like(&all)), (3, Some(&[2, 0, 2][..]), true), "{name}");
            assert_eq!(all.select(&[1, 2]), all.range(1..3), "{name}");
            assert!(all.select(&[]).is_empty() && all.range(3..3).is_empty());
            let first = |field: &Field| field.packed()[0];
            assert_eq!(first(&some), first(&all.range(2..3)), "{name}");
        }
    }

    #[test]
    fn bytes_are_packed_by_rows_and_all_else_a_word_each() {
        let bytes = |item: &[usize]| field(item, FieldValues::U8(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(bytes(&[3]).packed(), [0x0003_0201, 0x0006_0504], "a row starts on a word");
        assert_eq!(
            (bytes(&[]).packed(), bytes(&[]).array()),
            (vec![0x0403_0201, 0x0605], TensorType::new(DType::U8, [6]))
        );
        assert_eq!(bytes(&[3, 2]).packed(), [0x0403_0201, 0x0605], "an item is a row whatever its shape");
        assert_eq!(bytes(&[3, 2]).array(), TensorType::new(DType::U8, [1, 6]));
        assert_eq!(field(&[2], FieldValues::U16(vec![1, 65_535])).packed(), [1, 65_535]);
        assert_eq!(field(&[], FieldValues::F32(vec![-0.5])).packed(), [(-0.5f32).to_bits()]);
    }
}
