//! Data sets: items of any shape with their targets, embedded, read from files, or downloaded.
//!
//! A [`Dataset`] is valid by construction: as many targets as items, every target fits its [`Task`], and all parts have
//! items of one type. No code after this layer checks again. [`Source`] loads sets of every format, [`Preparation`]
//! splits them.

mod dataset;
mod prepare;
mod sheet;
mod sources;

pub use dataset::{Dataset, Field, FieldValues, Images, Provenance, Split, Task};
pub use prepare::{Amount, Check, Doubt, Dropped, Findings, Flaw, Outlier, Preparation, check};
pub use sheet::{by_class, contact_sheet, overview};
pub use sources::{DIGITS_SEED, DownloadProgress, Source, digits};
#[cfg(not(target_arch = "wasm32"))]
pub use sources::{Download, RemoteFile, cache_folder};
