//! Fuzz targets: each reads arbitrary bytes. It must not panic, must report errors in one line, and must respect its
//! memory limit. What it accepts is compared with a second, simpler reader.
//!
//! `tests/fuzz` feeds the targets with inputs that reach new code; `tests/corpus.rs` replays the saved inputs.

mod blueprint;
mod idx;
mod measured;
mod model_file;
mod npy;
mod plan;

pub use blueprint::blueprint;
pub use idx::{gzip, idx};
pub use measured::{Limit, Usage};
pub use model_file::model_file;
pub use npy::npy;
pub use plan::plan;

/// A target, which returns its memory use.
pub type Target = fn(&[u8]) -> Usage;

/// All targets, by the names of their corpus folders.
pub const TARGETS: [(&str, Target); 6] =
    [("idx", idx), ("gzip", gzip), ("npy", npy), ("model_file", model_file), ("blueprint", blueprint), ("plan", plan)];
