//! What a data set format is.

use crate::data::Dataset;
use crate::error::Result;

/// Loads what `--data` names, reporting the progress of downloads.
type Load = fn(&str, &mut dyn FnMut(DownloadProgress<'_>)) -> Result<Dataset>;

/// A data set format.
pub(super) struct DataFormat {
    /// The value of `--data`: a name, or `DIR`.
    pub(super) value: &'static str,
    /// Its description in help.
    pub(super) about: &'static str,
    /// The files a folder must contain, for errors; empty for a named set.
    pub(super) files: &'static str,
    /// Whether this is the name of a set, or a folder, in this format.
    pub(super) recognizes: fn(&str) -> bool,
    /// Loads it.
    pub(super) load: Load,
}

/// Progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadProgress<'a> {
    /// The name of the file being downloaded.
    pub file: &'a str,
    /// Bytes on disk; decreases if a download restarts.
    pub done: u64,
    /// Size of the file, if known.
    pub total: Option<u64>,
}
