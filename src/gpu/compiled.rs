//! What a driver has compiled, kept in a file from run to run, for drivers that keep nothing themselves.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Bytes of a hash, which stands before the rest of the file.
const HASH: usize = 32;

/// The file of an adapter, and what is in it.
#[derive(Debug, Default)]
pub struct Compiled {
    file: Option<PathBuf>,
    /// The hash, then what it is of; empty where nothing sound was there.
    contents: Vec<u8>,
}

impl Compiled {
    /// What was kept for an adapter in a folder: nothing where there is no file, or it is damaged.
    pub fn read(folder: &Path, adapter: &wgpu::Adapter) -> Self {
        Self::of(wgpu::util::pipeline_cache_key(&adapter.get_info()).map(|name| folder.join(name)))
    }

    fn of(file: Option<PathBuf>) -> Self {
        let contents = file.as_ref().and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        let sound = contents.len() > HASH && contents[..HASH] == *Sha256::digest(&contents[HASH..]);
        Self { file, contents: if sound { contents } else { Vec::new() } }
    }

    /// What the driver gave.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.contents.get(HASH..)
    }

    /// Writes what the driver gives now, where that is something else.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn keep(&self, bytes: &[u8]) -> Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.bytes() != Some(bytes)) else { return Ok(()) };
        let failed = |error| Error::io("write", file, &error);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let contents = [Sha256::digest(bytes).as_slice(), bytes].concat();
        // Whoever reads meanwhile finds the whole of one file or of the other.
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
        let mut spoilt = kept.clone();
        spoilt[HASH + 2] ^= 1;
        for damaged in [&spoilt[..], &kept[..HASH + 4], &kept[..HASH], b"", b"short"] {
            std::fs::write(&file, damaged).expect("it can be written");
            assert_eq!(read().bytes(), None);
        }
        let refused = Compiled::of(Some(folder.path().to_owned())).keep(b"code");
        assert!(refused.is_err_and(|error| error.exit_code() == 7));
    }
}
