//! IDX files, plain or gzipped. Format: LeCun, Cortes and Burges, "The MNIST database of handwritten digits": a
//! big-endian magic number (two zero bytes, the element type, the number of dimensions), the extents, the elements.
//!
//! Files are not trusted: sizes in the header are checked against the file size before memory is allocated, and for
//! gzipped files memory is allocated only as data arrive. Reading takes at most twice the size of the contents.

use crate::data::Split;
use crate::error::{Error, Kind, Result};
use flate2::bufread::MultiGzDecoder;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Maximum deflate compression factor. Source: zlib's "Technical Details".
const DEFLATE_FACTOR: u64 = 1032;

/// Allocation step when the total size is only announced.
const PART: usize = 1 << 16;

/// Number of classes of MNIST and of sets in its format: 0 to 9.
pub(super) const CLASSES: usize = 10;

const FETCH_AGAIN: &str = "the file is damaged: fetch it again";

/// Expected contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Unsigned bytes in three dimensions: images, rows, columns.
    Images,
    /// Unsigned bytes in one dimension: labels.
    Labels,
}

impl Content {
    fn magic(self) -> u32 {
        match self {
            Content::Images => 0x0803,
            Content::Labels => 0x0801,
        }
    }

    fn dimensions(self) -> &'static [&'static str] {
        match self {
            Content::Images => &["images", "rows", "columns"],
            Content::Labels => &["labels"],
        }
    }

    fn name(self) -> &'static str {
        self.dimensions()[0]
    }

    fn other(self) -> Self {
        match self {
            Content::Images => Content::Labels,
            Content::Labels => Content::Images,
        }
    }

    fn header_bytes(self) -> usize {
        4 + 4 * self.dimensions().len()
    }
}

/// An open IDX file with a checked header, and for plain files a checked length.
pub(super) struct IdxFile<'a> {
    path: PathBuf,
    content: Content,
    extents: Vec<usize>,
    promised: usize,
    compressed: bool,
    reader: Box<dyn Read + Send + 'a>,
}

impl IdxFile<'static> {
    /// Opens `path` and checks its header against `content` and the file's size.
    pub(super) fn open(path: &Path, content: Content) -> Result<Self> {
        // Check before opening: opening a pipe would block.
        let metadata = fs::metadata(path).map_err(|e| Error::io("open", path, &e))?;
        if !metadata.is_file() {
            return Err(fault(path, "is not a regular file", "put the data file itself there"));
        }
        let file = File::open(path).map_err(|e| Error::io("open", path, &e))?;
        Self::new(path, content, metadata.len(), BufReader::with_capacity(PART, file))
    }
}

impl<'a> IdxFile<'a> {
    /// Checks the header of a file of `stored` bytes, read from `file`; errors name `path`.
    pub(super) fn new(path: &Path, content: Content, stored: u64, mut file: impl BufRead + Send + 'a) -> Result<Self> {
        let compressed = file.fill_buf().map_err(|e| Error::io("read", path, &e))?.starts_with(&GZIP);
        let reader: Box<dyn Read + Send + 'a> =
            if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut idx = Self { path: path.into(), content, extents: Vec::new(), promised: 0, compressed, reader };

        let header = idx.read(content.header_bytes(), 0)?;
        idx.check_magic(&header)?;
        idx.extents = idx.parse_extents(&header)?;
        idx.promised = idx.check_size(stored)?;
        Ok(idx)
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of images or labels.
    pub(super) fn count(&self) -> usize {
        self.extents[0]
    }

    /// The extents after the first: rows and columns of images.
    pub(super) fn item_extents(&self) -> &[usize] {
        &self.extents[1..]
    }

    /// Whether the file is gzipped.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Reads the payload, checks its length and, for labels, each value.
    pub(super) fn payload(&mut self) -> Result<Vec<u8>> {
        let header = self.content.header_bytes();
        // Reading one more byte detects excess data, and past the last byte the decoder verifies the checksum.
        let payload = self.read(self.promised.saturating_add(1), header)?;
        let (found, expected) = (header + payload.len(), header + self.promised);
        if payload.len() < self.promised {
            return Err(self.truncated(expected, found));
        }
        if payload.len() > self.promised {
            let excess = format!("has trailing bytes: expected the end at {}, found more", self.place(expected));
            return Err(fault(&self.path, excess, FETCH_AGAIN));
        }
        if self.content == Content::Labels {
            self.check_labels(&payload)?;
        }
        Ok(payload)
    }

    /// Checks that every label is a valid class.
    pub(super) fn check_labels(&self, labels: &[u8]) -> Result<()> {
        let Some((index, label)) = labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= CLASSES) else {
            return Ok(());
        };
        let place = self.place(self.content.header_bytes() + index);
        Err(fault(
            &self.path,
            format!("label {index} at {place}: expected a class below {CLASSES}, found {label}"),
            "only sets with the classes 0 to 9 can be used",
        ))
    }

    /// Reads at most `limit` bytes, fewer at the end of the file, starting at `position`.
    fn read(&mut self, limit: usize, position: usize) -> Result<Vec<u8>> {
        // The size of a plain file has been checked against its header.
        let most = if self.compressed { PART } else { limit };
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut read = 0;
        while read < limit && parts.last().is_none_or(|part| part.len() == most) {
            let mut part = Vec::new();
            let room = most.min(limit - read);
            part.try_reserve_exact(room).map_err(|_| self.too_large(limit))?;
            let outcome = self.reader.by_ref().take(room as u64).read_to_end(&mut part);
            read += part.len();
            outcome.map_err(|error| self.read_error(position + read, &error))?;
            parts.push(part);
        }
        if parts.len() < 2 {
            return Ok(parts.pop().unwrap_or_default());
        }
        let mut whole = Vec::new();
        whole.try_reserve_exact(read).map_err(|_| self.too_large(limit))?;
        parts.into_iter().for_each(|part| whole.extend(part));
        Ok(whole)
    }

    fn too_large(&self, bytes: usize) -> Error {
        let cause = format!("the {bytes} bytes announced by the header do not fit in memory");
        fault(&self.path, cause, "use a smaller data set")
    }

    fn read_error(&self, position: usize, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof if self.compressed => {
                let end = format!("the gzip stream is truncated: expected more after {}", self.place(position));
                fault(&self.path, end, FETCH_AGAIN)
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if self.compressed => {
                fault(&self.path, format!("damaged gzip data after {}: {error}", self.place(position)), FETCH_AGAIN)
            }
            _ => Error::io("read", &self.path, error),
        }
    }

    fn check_magic(&self, header: &[u8]) -> Result<()> {
        if header.is_empty() {
            return Err(fault(&self.path, "is empty", FETCH_AGAIN));
        }
        if header.trim_ascii_start().starts_with(b"<") {
            let begin = String::from_utf8_lossy(header.trim_ascii()).escape_debug().to_string();
            return Err(fault(
                &self.path,
                format!("is a web page (begins with `{begin}`), expected IDX data"),
                "the download failed and kept the error page: delete the file and fetch it again",
            ));
        }
        let Some(magic) = header.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) else {
            return Err(self.truncated(self.content.header_bytes(), header.len()));
        };
        let (expected, other) = (self.content.magic(), self.content.other());
        let (what, advice) = if magic == expected {
            return Ok(());
        } else if magic == other.magic() {
            (format!("the magic number of {}", other.name()), "the image and the label file are swapped: rename them")
        } else if magic.swap_bytes() == expected || magic.swap_bytes() == other.magic() {
            ("a byte-swapped magic number".to_string(), "write the file's header in big-endian order, as IDX demands")
        } else {
            ("another magic number".to_string(), "use an IDX file of unsigned bytes, like MNIST's")
        };
        let name = self.content.name();
        let place = self.place(0);
        let cause = format!("at {place}: expected {expected:#010x} ({name}), found {magic:#010x}, {what}");
        Err(fault(&self.path, cause, advice))
    }

    fn parse_extents(&self, header: &[u8]) -> Result<Vec<usize>> {
        if header.len() < self.content.header_bytes() {
            return Err(self.truncated(self.content.header_bytes(), header.len()));
        }
        let extents = header[4..].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
        let extents: Vec<usize> = extents.collect();
        match extents.iter().position(|&extent| extent == 0) {
            None => Ok(extents),
            Some(zero) => {
                let (place, dimension) = (self.place(4 + 4 * zero), self.content.dimensions()[zero]);
                let cause = format!("at {place}: expected one or more {dimension}, found 0");
                Err(fault(&self.path, cause, "use a data set that is not empty"))
            }
        }
    }

    /// The payload size given by the header, if a file of `stored` bytes can contain it.
    fn check_size(&self, stored: u64) -> Result<usize> {
        // Three factors below 2^32 cannot overflow 128 bits.
        let promised: u128 = self.extents.iter().map(|&extent| extent as u128).product();
        let total = promised + self.content.header_bytes() as u128;
        let extents = self.extents.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        let promise = format!("expected {total} bytes ({extents} after the header), found {stored}");
        let (most, kind) = match self.compressed {
            true => (stored.saturating_mul(DEFLATE_FACTOR), " gzipped ones, too few to hold them"),
            false => (stored, ""),
        };
        if total > u128::from(most) {
            return Err(fault(&self.path, format!("is truncated: {promise}{kind}"), FETCH_AGAIN));
        }
        if !self.compressed && total < u128::from(stored) {
            return Err(fault(&self.path, format!("has trailing bytes: {promise}"), FETCH_AGAIN));
        }
        usize::try_from(promised).map_err(|_| {
            fault(&self.path, format!("is too large for this platform: {promise}"), "use a smaller data set")
        })
    }

    fn truncated(&self, expected: usize, found: usize) -> Error {
        let end = self.place(found);
        fault(&self.path, format!("is truncated: expected {expected} bytes, found the end at {end}"), FETCH_AGAIN)
    }

    fn place(&self, offset: usize) -> String {
        if self.compressed { format!("decompressed offset {offset}") } else { format!("offset {offset}") }
    }
}

/// Checks that there is a label for each image.
pub(super) fn check_counts(images: &IdxFile<'_>, labels: &IdxFile<'_>) -> Result<()> {
    if images.count() == labels.count() {
        return Ok(());
    }
    let cause = format!(
        "{}: expected {} labels, one for each image in {}, found {}",
        labels.path().display(),
        images.count(),
        images.path().display(),
        labels.count(),
    );
    Err(Error::new(Kind::Data, cause, "take both files from the same set"))
}

impl Split {
    /// Parses images and labels from the bytes of two IDX files, each plain or gzipped, such as a web page fetched.
    /// Errors call the files `images` and `labels`.
    ///
    /// # Errors
    /// If one of them is damaged, or they do not match: reports position, expected and found.
    pub fn from_idx(images: &[u8], labels: &[u8]) -> Result<Self> {
        let open = |content: Content, bytes| {
            let stored = <[u8]>::len(bytes) as u64;
            IdxFile::new(Path::new(content.name()), content, stored, bytes)
        };
        let (mut images, mut labels) = (open(Content::Images, images)?, open(Content::Labels, labels)?);
        check_counts(&images, &labels)?;
        let size = [images.item_extents()[0], images.item_extents()[1]];
        Self::of_images(size, images.payload()?, labels.payload()?)
    }
}

fn fault(path: &Path, what: impl Display, advice: &str) -> Error {
    Error::new(Kind::Data, format!("{}: {what}", path.display()), advice)
}
