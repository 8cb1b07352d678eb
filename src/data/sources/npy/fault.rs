//! Errors of files.

use crate::error::{Error, Kind};
use std::fmt::Display;
use std::path::Path;

pub(super) const CONVERT: &str = "save it again with numpy.save, converted by astype to one of these types";
pub(super) const DAMAGED: &str = "the file is damaged: write it again with numpy.save";

pub(super) fn fault(path: &Path, what: impl Display, advice: &str) -> Error {
    Error::new(Kind::Data, format!("{}: {what}", path.display()), advice)
}
