//! NumPy arrays in the format `.npy`, versions 1.0 and 2.0: a magic string, the version, the length of the header, the
//! header as a Python dictionary, the elements. Source: "NEP 1: A Simple File Format for NumPy Arrays".
//!
//! Sizes in the header are checked against the file size before memory is allocated. Reading takes at most four times
//! the size of the file.

mod fault;
mod header;

use super::format::{DataFormat, DownloadProgress};
use crate::data::{Dataset, Field, FieldValues, Provenance, Split, Task};
use crate::error::{Error, Result};
use crate::shape::Shape;
use fault::{CONVERT, DAMAGED, fault};
use header::{Element, Header, header_length};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Registry entry.
pub(super) const FORMAT: DataFormat = DataFormat {
    value: "DIR",
    about: "a folder with NumPy arrays (train_x.npy, train_y.npy, test_x.npy, test_y.npy)",
    files: "put NumPy arrays there: train_x.npy and train_y.npy (or x.npy and y.npy), and to test on test_x.npy and \
            test_y.npy",
    recognizes,
    load,
};

/// Training inputs and classes, under either of two pairs of names.
const TRAIN: [[&str; 2]; 2] = [["train_x.npy", "train_y.npy"], ["x.npy", "y.npy"]];

const TEST: [&str; 2] = ["test_x.npy", "test_y.npy"];

fn recognizes(place: &str) -> bool {
    let names = TRAIN.iter().flatten().chain(&TEST);
    names.into_iter().any(|name| Path::new(place).join(name).exists())
}

fn load(place: &str, _watch: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<Dataset> {
    let folder = Path::new(place);
    let is_there = |names: &&[&str; 2]| names.iter().any(|name| folder.join(name).exists());
    let read =
        |names: &[&str; 2]| Ok([NpyArray::open(&folder.join(names[0]))?, NpyArray::open(&folder.join(names[1]))?]);
    let train = read(TRAIN.iter().find(is_there).unwrap_or(&TRAIN[0]))?;
    let test = Some(&TEST).filter(is_there).map(read).transpose()?;
    data_set(place, train, test)
}

impl Dataset {
    /// Parses two `.npy` files already in memory: inputs of any shape and a class index for each. Errors call the files
    /// `x` and `y`.
    ///
    /// # Errors
    /// Returns an error if one is damaged or they do not match, with position, expected and found.
    pub fn from_npy(inputs: &[u8], classes: &[u8]) -> Result<Self> {
        let read = |name: &str, bytes: &[u8]| NpyArray::read(Path::new(name), bytes.len() as u64, bytes);
        data_set("npy", [read("x", inputs)?, read("y", classes)?], None)
    }
}

/// The training and test sets from inputs and classes. The number of classes follows from the largest index.
fn data_set(place: &str, [train_x, train_y]: [NpyArray; 2], test: Option<[NpyArray; 2]>) -> Result<Dataset> {
    let labels = train_y.classes(&train_x)?;
    let test = test.map(|[x, y]| y.classes(&x).map(|labels| (x, labels))).transpose()?;
    let tested = test.iter().flat_map(|(_, labels)| labels);
    let classes = labels.iter().chain(tested).max().map_or(0, |&class| class as usize + 1);
    let split = |x: NpyArray, labels: Vec<u16>| {
        let labels = match classes {
            ..=256 => FieldValues::U8(labels.into_iter().map(|class| class as u8).collect()),
            _ => FieldValues::U16(labels),
        };
        Split::new(vec![x.inputs()?], Field::new("y", [], labels)?)
    };
    let source = Provenance { format: "npy", place: place.to_owned() };
    let data = Dataset::new(place, Task::classify(classes), split(train_x, labels)?, source)?;
    data.with_test(test.map(|(x, labels)| split(x, labels)).transpose()?)
}

/// A loaded file: its elements in C order, as bytes.
struct NpyArray {
    path: PathBuf,
    header: Header,
    /// Start of the elements in the file.
    start: usize,
    payload: Vec<u8>,
}

impl NpyArray {
    fn open(path: &Path) -> Result<Self> {
        // Check before opening: opening a pipe would block.
        let metadata = fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => fault(path, "there is no such file", "put inputs and classes there"),
            _ => Error::io("open", path, &e),
        })?;
        if !metadata.is_file() {
            return Err(fault(path, "is not a regular file", "put the data file itself there"));
        }
        let file = File::open(path).map_err(|e| Error::io("open", path, &e))?;
        Self::read(path, metadata.len(), file)
    }

    /// Reads a file of `stored` bytes; errors name `path`.
    fn read(path: &Path, stored: u64, mut file: impl Read) -> Result<Self> {
        let mut take = |bytes: u64| {
            let (mut taken, room) = (Vec::new(), bytes.min(stored) as usize);
            taken.try_reserve_exact(room).map_err(|_| {
                fault(path, format!("its {bytes} bytes do not fit into memory"), "use a smaller data set")
            })?;
            file.by_ref().take(bytes).read_to_end(&mut taken).map_err(|e| Error::io("read", path, &e))?;
            Ok(taken)
        };
        let begin = take(8)?;
        let (header_start, header_bytes) = header_length(path, &begin, &mut take)?;
        let header = take(header_bytes)?;
        if (header.len() as u64) < header_bytes {
            let cause = format!("is truncated: expected a header of {header_bytes} bytes, found {}", header.len());
            return Err(fault(path, cause, DAMAGED));
        }
        let start = header_start + header.len();
        let header = Header::parse(path, &header, header_start)?;
        let expected = header.check_size(path, start, stored)?;
        let mut payload = take(expected)?;
        if payload.len() as u64 != expected {
            let cause = format!("is truncated: expected {expected} bytes of elements, found {}", payload.len());
            return Err(fault(path, cause, DAMAGED));
        }
        if header.fortran {
            payload = in_c_order(&payload, &header.shape, header.element.bytes());
        }
        Ok(Self { path: path.into(), header, start, payload })
    }

    /// The elements as inputs.
    fn inputs(self) -> Result<Field> {
        let bytes = &self.payload;
        let values = match self.header.element {
            Element::U8 => FieldValues::U8(self.payload),
            Element::U16 => FieldValues::U16(decode(bytes, u16::from_le_bytes)),
            Element::U32 => FieldValues::U32(decode(bytes, u32::from_le_bytes)),
            Element::F32 => FieldValues::F32(decode(bytes, f32::from_le_bytes)),
            Element::F64 => {
                let numbers = decode(bytes, |bytes| f64::from_le_bytes(bytes) as f32);
                let wide = |&i: &usize| numbers[i].is_infinite() && f64_at(bytes, i).is_finite();
                if let Some(i) = (0..numbers.len()).find(wide) {
                    let cause =
                        format!("element {i} at byte {}: expected a number in the range of f32", self.start + 8 * i);
                    return Err(fault(
                        &self.path,
                        format!("{cause}, found {:e}", f64_at(bytes, i)),
                        "scale the inputs",
                    ));
                }
                FieldValues::F32(numbers)
            }
            element @ (Element::I32 | Element::I64) => {
                let cause = format!("expected inputs of |u1, <u2, <u4, <f4 or <f8, found {}", element.name());
                return Err(fault(&self.path, cause, CONVERT));
            }
        };
        // With a single axis, each row is one number.
        let item = match &self.header.shape[1..] {
            [] => vec![1],
            item => item.to_vec(),
        };
        Field::new("x", Shape::new(item), values)
    }

    /// The elements as class indices of the items of `inputs`.
    fn classes(&self, inputs: &Self) -> Result<Vec<u16>> {
        let Header { element, shape, .. } = &self.header;
        let expected = inputs.header.shape[0];
        if *shape != [expected] {
            let (found, inputs) = (shape, inputs.path.display());
            let cause = format!("expected classes of shape [{expected}], one per item of {inputs}, found {found:?}");
            return Err(fault(&self.path, cause, "save one class index for each item, such as y.reshape(-1)"));
        }
        let bytes = &self.payload;
        let classes: Box<dyn Iterator<Item = i64> + '_> = match element {
            Element::U8 => Box::new(bytes.iter().map(|&byte| byte.into())),
            Element::U16 => Box::new(elements(bytes, |bytes| u16::from_le_bytes(bytes).into())),
            Element::U32 => Box::new(elements(bytes, |bytes| u32::from_le_bytes(bytes).into())),
            Element::I32 => Box::new(elements(bytes, |bytes| i32::from_le_bytes(bytes).into())),
            Element::I64 => Box::new(elements(bytes, i64::from_le_bytes)),
            Element::F32 | Element::F64 => {
                let cause = format!("expected classes of |u1, <u2, <u4, <i4 or <i8, found {}", element.name());
                return Err(fault(&self.path, cause, CONVERT));
            }
        };
        let mut indices = Vec::with_capacity(expected);
        for (i, class) in classes.enumerate() {
            indices.push(u16::try_from(class).map_err(|_| {
                let at = self.start + i * element.bytes();
                let cause = format!("class {i} at byte {at}: expected an index from 0 to {}, found {class}", u16::MAX);
                fault(&self.path, cause, "number the classes from 0")
            })?);
        }
        Ok(indices)
    }
}

fn elements<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks().0.iter().map(move |chunk| read(*chunk))
}

fn decode<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    elements(bytes, read).collect()
}

fn f64_at(bytes: &[u8], i: usize) -> f64 {
    bytes.as_chunks().0.get(i).map_or(f64::NAN, |chunk| f64::from_le_bytes(*chunk))
}

/// Reorders elements of `size` bytes from Fortran to C order.
fn in_c_order(payload: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut next = size;
    let mut axes = Vec::with_capacity(shape.len());
    for &extent in shape {
        axes.push((extent, next));
        next *= extent;
    }
    let (mut index, mut from) = (vec![0; shape.len()], 0);
    let mut ordered = Vec::with_capacity(payload.len());
    while ordered.len() < payload.len() {
        ordered.extend_from_slice(&payload[from..from + size]);
        for (index, (extent, stride)) in index.iter_mut().zip(&axes).rev() {
            (*index, from) = (*index + 1, from + stride);
            if *index < *extent {
                break;
            }
            (*index, from) = (0, from - stride * extent);
        }
    }
    ordered
}

#[cfg(test)]
mod tests;
