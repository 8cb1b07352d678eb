//! Data set formats: each is one file or folder below this one, and one line of [`FORMATS`].

mod digits;
mod format;
mod idx;
mod mnist;
mod npy;

pub use digits::{DIGITS_SEED, digits};
pub use format::DownloadProgress;
#[cfg(not(target_arch = "wasm32"))]
pub use mnist::{Download, RemoteFile, cache_folder};

use super::Dataset;
use crate::error::{Error, Kind, Result};
use format::DataFormat;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

/// All formats. The first that recognizes the value of `--data` loads it.
const FORMATS: &[DataFormat] = &[digits::FORMAT, mnist::FORMAT, idx::FORMAT, npy::FORMAT];

/// The value of `--data`: a named set, such as `digits` (embedded) or `mnist` (downloaded once into the platform's
/// cache folder), or a folder with files of any format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source(String);

impl Source {
    /// All possible values, for help.
    pub fn help() -> &'static str {
        static HELP: LazyLock<String> = LazyLock::new(|| {
            let of = |format: &DataFormat| match format.value {
                "DIR" => format.about.to_owned(),
                name => format!("`{name}` ({})", format.about),
            };
            let all: Vec<_> = FORMATS.iter().map(of).collect();
            let (last, first) = all.split_last().expect("there are formats");
            format!("{}, or {last}", first.join(", "))
        });
        &HELP
    }

    /// The same in short form, such as `digits|DIR`.
    pub fn values() -> &'static str {
        static VALUES: LazyLock<String> = LazyLock::new(|| {
            let mut values: Vec<_> = FORMATS.iter().map(|format| format.value).collect();
            values.dedup();
            values.join("|")
        });
        &VALUES
    }

    /// Loads the data set. `watch` is called during a download.
    ///
    /// # Errors
    /// Returns an error if there is no such set, or its files are damaged or do not match.
    pub fn load(&self, watch: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<Dataset> {
        match FORMATS.iter().find(|format| (format.recognizes)(&self.0)) {
            Some(format) => (format.load)(&self.0, watch),
            None => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> Error {
        let place = &self.0;
        let cause = match Path::new(place).is_dir() {
            true => format!("{place}: expected the files of a data set, found none"),
            false => format!("there is no folder {place}"),
        };
        let files: Vec<_> = FORMATS.iter().map(|format| format.files).filter(|files| !files.is_empty()).collect();
        Error::new(Kind::Data, cause, files.join("; or "))
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => {
                let cause = "the data set name is empty";
                Err(Error::new(Kind::Usage, cause, format!("use {}", Self::help())))
            }
            text => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
