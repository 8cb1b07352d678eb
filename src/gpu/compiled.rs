//! A file cache of compiled pipelines, for drivers that have none of their own.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Size of the hash at the start of the file.
const HASH: usize = 32;

/// The cache of an adapter.
#[derive(Debug, Default)]
pub struct Compiled {
    file: Option<PathBuf>,
    /// The hash, then the data; empty if there is no valid file.
    contents: Vec<u8>,
}

impl Compiled {
    /// Reads an adapter's cache from a folder; empty if the file is missing or damaged.
    pub fn read(folder: &Path, adapter: &wgpu::Adapter) -> Self {
        Self::of(wgpu::util::pipeline_cache_key(&adapter.get_info()).map(|name| folder.join(name)))
    }

    fn of(file: Option<PathBuf>) -> Self {
        let contents = file.as_ref().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        let sound = contents.len() > HASH && contents[..HASH] == *Sha256::digest(&contents[HASH..]);
        Self { file, contents: if sound { contents } else { Vec::new() } }
    }

    /// The driver's data.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.contents.get(HASH..)
    }

    /// Writes the driver's current data if it has changed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn keep(&self, bytes: &[u8]) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.bytes() != Some(bytes)) else { return Ok(()) };
        let failed = |error| Error::io("write", file, &error);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let contents = [Sha256::digest(bytes).as_slice(), bytes].concat();
        // Rename atomically: concurrent readers see either file in full.
        let partial = file.with_extension(format!("{}.partial", std::process::id()));
        std::fs::write(&partial, contents).and_then(|()| std::fs::rename(&partial, file)).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_unless_it_is_damaged() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("new/compiled");
        let read = || Compiled::of(Some(file.clone()));
        assert_eq!(read().bytes(), None);
        read().keep(b"code").expect("it can be written");
        assert_eq!(read().bytes(), Some(&b"code"[..]));
        read().keep(b"more code").expect("it can be written");
        let kept = std::fs::read(&file).expect("it is there");
        let mut spoiled = kept.clone();
        spoiled[HASH + 2] ^= 1;
        for damaged in [&spoiled[..], &kept[..HASH + 4], &kept[..HASH], b"", b"short"] {
            std::fs::write(&file, damaged).expect("it can be written");
            assert_eq!(read().bytes(), None);
        }
        let refused = Compiled::of(Some(folder.path().to_owned())).keep(b"code");
        assert!(refused.is_err_and(|error| error.exit_code() == 7));
    }
}
