//! NumPy arrays.

use super::{Limit, Usage};
use shadegrad::data::{Dataset, Field, FieldValues};

/// Besides, the names of up to 65,536 classes.
const FILE: Limit = Limit { factor: 4, constant: 4 << 20 };

/// The bytes as a file of inputs and as one of classes, each beside one that fits.
pub fn npy(bytes: &[u8]) -> Usage {
    let count = first_extent(bytes).unwrap_or(1).clamp(1, 1 << 12);
    let partner = array(count);
    let size = bytes.len() + partner.len();
    let (as_inputs, first) = FILE.measure(size, || Dataset::from_npy(bytes, &partner));
    let (as_classes, second) = FILE.measure(size, || Dataset::from_npy(&partner, bytes));
    if let Ok(data) = &as_inputs {
        let input = &data.train().inputs()[0];
        assert_eq!((data.train().len(), input.len() * input.features()), (count, input.values().len()));
        assert!(bytes.len() >= size_of_values(input), "the file holds all values");
    }
    if let Ok(data) = &as_classes {
        let (targets, classes) = (data.train().targets(), data.task().outputs().len());
        assert!((0..count).all(|i| targets.class(i).is_some_and(|class| class < classes)));
        assert!((0..count).any(|i| targets.class(i) == Some(classes - 1)), "the largest class occurs");
    }
    if first.share() > second.share() { first } else { second }
}

fn size_of_values(field: &Field) -> usize {
    let bytes = match field.values() {
        FieldValues::U8(_) => 1,
        FieldValues::U16(_) => 2,
        FieldValues::U32(_) | FieldValues::F32(_) => 4,
    };
    bytes * field.values().len()
}

/// The first number behind the parenthesis of a shape, as far as there is one.
fn first_extent(bytes: &[u8]) -> Option<usize> {
    let after = bytes.iter().position(|&byte| byte == b'(')? + 1;
    let digits: Vec<u8> = bytes[after..].iter().copied().take_while(u8::is_ascii_digit).collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

/// So many zeros, which serve as inputs and as classes.
fn array(count: usize) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({count},), }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &vec![0; count]].concat()
}
