//! Headers of `.npy` files: element type, order and shape.

use super::fault::{CONVERT, DAMAGED, fault};
use crate::error::{Error, Result};
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Supported element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    U8,
    U16,
    U32,
    I32,
    I64,
    F32,
    F64,
}

impl Element {
    /// Each with its name in files.
    const ALL: [(&str, Self); 7] = [
        ("|u1", Self::U8),
        ("<u2", Self::U16),
        ("<u4", Self::U32),
        ("<i4", Self::I32),
        ("<i8", Self::I64),
        ("<f4", Self::F32),
        ("<f8", Self::F64),
    ];

    /// The name in files.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, element)| *element == self).map_or("", |(name, _)| name)
    }

    /// Bytes per element.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }
}

/// The contents of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    /// Whether the first axis is contiguous instead of the last.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
}

/// Start and length of the header, from the bytes after the first 8 of a file.
pub(super) fn header_length(
    path: &Path,
    begin: &[u8],
    take: &mut impl FnMut(u64) -> Result<Vec<u8>>,
) -> Result<(usize, u64)> {
    if !begin.starts_with(MAGIC) {
        let found = begin[..begin.len().min(MAGIC.len())].escape_ascii();
        let cause = format!("at byte 0: expected `\\x93NUMPY`, found `{found}`");
        return Err(fault(path, cause, "use a file written by numpy.save"));
    }
    let bytes = match begin.get(6..8) {
        Some([1, 0]) => take(2)?,
        Some([2, 0]) => take(4)?,
        Some([major, minor]) => {
            let cause = format!("at byte 6: expected version 1.0 or 2.0, found {major}.{minor}");
            return Err(fault(path, cause, "save it without named fields, which need other versions"));
        }
        _ => return Err(fault(path, format!("is truncated: it ends at byte {}", begin.len()), DAMAGED)),
    };
    let length = match bytes[..] {
        [a, b] => u16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]).into(),
        _ => return Err(fault(path, format!("is truncated: it ends at byte {}", 8 + bytes.len()), DAMAGED)),
    };
    Ok((8 + bytes.len(), length))
}

impl Header {
    /// Parses the text of a header, which starts at byte `start` of the file; errors name `path`.
    pub(super) fn parse(path: &Path, text: &[u8], start: usize) -> Result<Self> {
        Parser { path, text, at: 0, start }.header()
    }

    /// Bytes of the elements in a file of `stored` bytes whose elements start at `start`.
    pub(super) fn check_size(&self, path: &Path, start: usize, stored: u64) -> Result<u64> {
        let Self { element, shape, .. } = self;
        if shape.is_empty() || shape.contains(&0) {
            let cause = format!("expected one item or more, found an array of shape {shape:?}");
            return Err(fault(path, cause, "save an array whose first axis counts the items"));
        }
        let size = shape.iter().try_fold(element.bytes() as u128, |size, &extent| size.checked_mul(extent as u128));
        let total = size.and_then(|size| size.checked_add(start as u128));
        let fits =
            total.filter(|total| *total == u128::from(stored)).and(size).and_then(|size| u64::try_from(size).ok());
        fits.ok_or_else(|| {
            let expected = total.map_or("more than 2^128".to_owned(), |total| total.to_string());
            let cause = format!(
                "expected {expected} bytes ({} {shape:?} from byte {start} on), found {stored}",
                element.name()
            );
            fault(path, cause, DAMAGED)
        })
    }
}

/// Parses the text of a header, such as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct Parser<'a> {
    path: &'a Path,
    text: &'a [u8],
    at: usize,
    /// Start of the text in the file.
    start: usize,
}

impl Parser<'_> {
    fn header(mut self) -> Result<Header> {
        let (mut element, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.accept(b'}') {
            let at = self.at;
            let key = self.string()?;
            self.expect(b':')?;
            match key.as_str() {
                "descr" if element.is_none() => element = Some(self.element()?),
                "fortran_order" if fortran.is_none() => fortran = Some(self.boolean()?),
                "shape" if shape.is_none() => shape = Some(self.extents()?),
                _ => return Err(self.fault(at, "descr, fortran_order and shape, once each", &format!("`{key}`"))),
            }
            if !self.accept(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        if let Some(&byte) = self.rest().first() {
            return Err(self.fault(self.at, "the end of the header", &format!("`{}`", byte.escape_ascii())));
        }
        match (element, fortran, shape) {
            (Some(element), Some(fortran), Some(shape)) => Ok(Header { element, fortran, shape }),
            _ => Err(self.fault(self.at, "descr, fortran_order and shape", "the end of the header")),
        }
    }

    /// The remaining text, without leading white space.
    fn rest(&mut self) -> &[u8] {
        self.at = self.text.len() - self.text[self.at..].trim_ascii_start().len();
        &self.text[self.at..]
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.accept(byte) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", char::from(byte)))) }
    }

    fn string(&mut self) -> Result<String> {
        let quote = self.rest().first().copied().filter(|byte| b"'\"".contains(byte));
        let quote = quote.ok_or_else(|| self.unexpected("a string"))?;
        let inside = &self.rest()[1..];
        let length = inside.iter().position(|&byte| byte == quote);
        let length = length.ok_or_else(|| self.unexpected("a string that ends"))?;
        let text = self.rest()[1..=length].escape_ascii().to_string();
        self.at += length + 2;
        Ok(text)
    }

    fn element(&mut self) -> Result<Element> {
        let known = Element::ALL.map(|(name, _)| name).join(", ");
        if !self.rest().starts_with(b"'") && !self.rest().starts_with(b"\"") {
            return Err(self.unexpected(&format!("one element type of {known}")));
        }
        let at = self.at;
        let name = self.string()?;
        let element = Element::ALL.iter().find(|(known, _)| *known == name);
        element.map(|(_, element)| *element).ok_or_else(|| {
            let cause = format!("at byte {}: expected an element type of {known}, found `{name}`", self.start + at);
            fault(self.path, cause, CONVERT)
        })
    }

    fn boolean(&mut self) -> Result<bool> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn extents(&mut self) -> Result<Vec<usize>> {
        let mut extents = Vec::new();
        self.expect(b'(')?;
        while !self.accept(b')') {
            let length = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
            let digits = String::from_utf8_lossy(&self.rest()[..length]).into_owned();
            let extent = digits.parse().map_err(|_| self.unexpected("an extent"))?;
            self.at += length;
            extents.push(extent);
            if !self.accept(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(extents)
    }

    fn unexpected(&mut self, expected: &str) -> Error {
        let found = match self.rest() {
            [] => "the end of the header".to_owned(),
            rest => format!("`{}`", String::from_utf8_lossy(rest[..rest.len().min(20)].trim_ascii_end())),
        };
        self.fault(self.at, expected, &found)
    }

    fn fault(&self, at: usize, expected: &str, found: &str) -> Error {
        let cause = format!("at byte {}: expected {expected}, found {found}", self.start + at);
        fault(self.path, cause, DAMAGED)
    }
}
