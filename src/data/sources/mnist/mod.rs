//! MNIST: four IDX files, downloaded once into the platform's cache folder.

#[cfg(not(target_arch = "wasm32"))]
mod download;

#[cfg(not(target_arch = "wasm32"))]
pub use download::{Download, RemoteFile, cache_folder};

use super::format::{DataFormat, DownloadProgress};
use crate::data::Dataset;
use crate::error::Result;
#[cfg(target_arch = "wasm32")]
use crate::error::{Error, Kind};

/// Registry entry.
pub(super) const FORMAT: DataFormat =
    DataFormat { value: "mnist", about: "downloaded", files: "", recognizes: |name| name == "mnist", load };

#[cfg(not(target_arch = "wasm32"))]
fn load(name: &str, watch: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<Dataset> {
    let download = Download::mnist()?;
    download.fetch(watch)?;
    super::idx::load(&download.folder, name)
}

#[cfg(target_arch = "wasm32")]
fn load(_name: &str, _watch: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<Dataset> {
    Err(Error::new(
        Kind::Usage,
        "`mnist` cannot be downloaded in a browser",
        "use `digits`, or fetch the files in the page and build the data set from their bytes",
    ))
}
