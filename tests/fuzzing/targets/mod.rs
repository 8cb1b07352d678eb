//! What is fuzzed: each target reads bytes of any kind. It must not panic, must say in one line what is wrong with them,
//! and must take no more memory than its limit says. What it accepts must hold up against a second, simpler reader.
//!
//! `tests/fuzz` feeds the targets with inputs that reach new code; `tests/corpus.rs` replays the inputs that are kept.

mod blueprint;
mod idx;
mod measured;
mod model_file;
mod plan;

pub use blueprint::blueprint;
pub use idx::{gzip, idx};
pub use measured::{Limit, Usage};
pub use model_file::model_file;
pub use plan::plan;

/// A target: what a run of it took of its limit.
pub type Target = fn(&[u8]) -> Usage;

/// All targets, by the names of their folders in the corpus.
pub const TARGETS: [(&str, Target); 5] =
    [("idx", idx), ("gzip", gzip), ("model_file", model_file), ("blueprint", blueprint), ("plan", plan)];
