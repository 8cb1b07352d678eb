//! Data sets: items of any shape with their targets, embedded, read from files, or downloaded.
//!
//! A [`Dataset`] is sound by construction: as many targets as items, every target one that its [`Task`] knows, and items
//! of one type to train on and to test on. Nothing after this layer checks again.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

mod check;
mod dataset;
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

pub use check::{Check, Doubt, Findings, Flaw, Outlier, check};
pub use dataset::{Dataset, Field, FieldValues, Images, Provenance, Split, Task};
pub use digits::{DIGITS_SEED, digits};
#[cfg(not(target_arch = "wasm32"))]
pub use download::{Download, RemoteFile, cache_folder};
pub use preparation::{Amount, Dropped, Preparation};
pub use sheet::{by_class, contact_sheet, overview};

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
