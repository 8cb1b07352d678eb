//! Data sets: labelled grey images, from the embedded digits, from IDX files, or downloaded.
//!
//! Whatever the source, a [`Dataset`] that was loaded is sound: as many labels as images, every label below
//! [`CLASSES`], and training and test images of one size. Nothing after this layer checks again.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

mod check;
mod digits;
#[cfg(not(target_arch = "wasm32"))]
mod download;
mod folder;
#[rustfmt::skip] // points of a curve belong on one line, or two
mod glyphs;
mod idx;
mod pen;
mod preparation;
mod regression;
mod sheet;
mod split;

pub use check::{Check, Doubt, Findings, Flaw, Outlier, check};
pub use digits::{DIGITS_SEED, digits};
#[cfg(not(target_arch = "wasm32"))]
pub use download::{Download, RemoteFile, cache_folder};
pub use preparation::{Dropped, Preparation};
pub use sheet::{by_class, contact_sheet, overview};
pub use split::Amount;

/// How many classes a data set has: the digits 0 to 9.
pub const CLASSES: usize = 10;

/// Images of one size with their labels: the half of a data set to train on, or the half to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Height of an image in pixels.
    pub rows: usize,
    /// Width of an image in pixels.
    pub columns: usize,
    /// `[n, rows, columns]`, row-major; 0 is paper, 255 is ink.
    pub images: Vec<u8>,
    /// `[n]`, each below [`CLASSES`].
    pub labels: Vec<u8>,
}

impl Split {
    /// How many images there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// How many pixels an image has: the width of a network's input.
    pub fn features(&self) -> usize {
        self.rows * self.columns
    }

    /// The pixels of image `i`, `[rows, columns]`; panics where `i` is not below [`Split::len`], as a slice does.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.images[i * self.features()..][..self.features()]
    }
}

/// A data set: what to train on and, apart from it, what to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// What the set is called in reports.
    pub name: String,
    /// The images to train on.
    pub train: Split,
    /// Images to judge the model by while it trains, apart from both others; [`Preparation`] sets them aside.
    pub validation: Option<Split>,
    /// The images to test on.
    pub test: Split,
}

impl Dataset {
    /// How many classes the labels distinguish.
    pub fn classes(&self) -> usize {
        CLASSES
    }
}

/// How far a download has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The name of the file being downloaded.
    pub file: &'a str,
    /// Bytes that are on disk; falls where a download has to start again.
    pub done: u64,
    /// Bytes the file has, where that is known.
    pub total: Option<u64>,
}

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The embedded digits, drawn by [`digits`].
    Digits,
    /// MNIST, downloaded once and kept in the platform's cache folder.
    Mnist,
    /// A folder with four IDX files under the names that MNIST gave them, each plain or gzipped.
    Folder(PathBuf),
}

impl Source {
    /// Loads the data set. `watch` hears of every part of a download, and nothing where none is needed.
    pub fn load(&self, watch: &mut dyn FnMut(Progress<'_>)) -> Result<Dataset> {
        match self {
            Source::Digits => Ok(digits(DIGITS_SEED)),
            Source::Mnist => load_mnist(watch),
            Source::Folder(folder) => folder::load(folder, &folder.display().to_string()),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn load_mnist(watch: &mut dyn FnMut(Progress<'_>)) -> Result<Dataset> {
    let download = Download::mnist()?;
    download.fetch(watch)?;
    folder::load(&download.folder, "mnist")
}

#[cfg(target_arch = "wasm32")]
fn load_mnist(_watch: &mut dyn FnMut(Progress<'_>)) -> Result<Dataset> {
    Err(Error::new(
        Kind::Usage,
        "`mnist` cannot be downloaded from inside a browser",
        "use `digits`, or fetch the files in the page and build the data set from their bytes",
    ))
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => Err(Error::new(
                Kind::Usage,
                "the name of the data set is empty",
                "give `digits`, `mnist`, or a folder with IDX files",
            )),
            "digits" => Ok(Source::Digits),
            "mnist" => Ok(Source::Mnist),
            folder => Ok(Source::Folder(folder.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Digits => f.write_str("digits"),
            Source::Mnist => f.write_str("mnist"),
            Source::Folder(folder) => folder.display().fmt(f),
        }
    }
}
