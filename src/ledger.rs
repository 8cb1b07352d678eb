//! Append-only line files that persist between runs, such as the list of passed tests.

use crate::error::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// File size above which it is started over.
const MOST_BYTES: u64 = 1 << 20;

/// An append-only file, safe for concurrent runs; or none.
#[derive(Debug, Default)]
pub struct Ledger {
    file: Option<PathBuf>,
    fresh: String,
}

impl Ledger {
    /// Opens the file and reads its lines; none if it cannot be read.
    pub fn read(file: PathBuf) -> (Self, Vec<String>) {
        let bytes = fs::read(&file).unwrap_or_default();
        let lines = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
        (Self { file: Some(file), fresh: String::new() }, lines)
    }

    /// Path of the file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Queues a line for [`Self::write`].
    pub fn add(&mut self, line: &str) {
        self.fresh.push_str(line);
        self.fresh.push('\n');
    }

    /// Appends the queued lines to the file, if there is one.
    ///
    /// # Errors
    /// If it cannot be written: later runs will not see the lines.
    pub fn write(&mut self) -> Result<()> {
        let fresh = std::mem::take(&mut self.fresh);
        let Some(file) = self.file.as_ref().filter(|_| !fresh.is_empty()) else { return Ok(()) };
        let failed = |error| Error::io("write", file, &error);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let bytes = fs::read(file).unwrap_or_default();
        let full = bytes.len() as u64 > MOST_BYTES;
        // A partial line from another run must not corrupt the first new line.
        let apart = if full || bytes.last().is_none_or(|&last| last == b'\n') { "" } else { "\n" };
        let open = OpenOptions::new().create(true).append(!full).write(true).truncate(full).open(file);
        // A single write of whole lines: concurrent runs do not interleave.
        open.and_then(|mut file| file.write_all(format!("{apart}{fresh}").as_bytes())).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_also_behind_one_that_was_broken_off() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/ledger");
        let (mut ledger, lines) = Ledger::read(path.clone());
        assert!(lines.is_empty());
        ledger.add("one");
        ledger.write().expect("writable");
        fs::write(&path, "one\nhal").expect("writable");
        ledger.add("two");
        ledger.write().expect("writable");
        ledger.write().expect("nothing is written twice");
        assert_eq!(Ledger::read(path).1, ["one", "hal", "two"]);
    }

    #[test]
    fn a_file_that_has_grown_too_long_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ledger");
        fs::write(&path, vec![b'x'; MOST_BYTES as usize + 1]).expect("writable");
        let (mut ledger, _) = Ledger::read(path.clone());
        ledger.add("two");
        ledger.write().expect("writable");
        assert_eq!(Ledger::read(path).1, ["two"]);
    }
}
