//! Checks shaders against their twins with the ops' own tolerances: each kernel in every variant, and whole plans.
//!
//! Outputs are poisoned before a run to reveal elements that are never written. Every binding is padded, inputs with
//! huge values and outputs with canaries, to reveal out-of-bounds accesses. Comparisons are bitwise or written
//! `!(difference <= tolerance)`, so that NaN fails.

mod bench;
mod case;
mod compare;
pub mod determinism;
mod form;
pub mod gradients;
pub mod graphs;
#[cfg(not(target_arch = "wasm32"))]
mod kernels;
pub mod limits;
mod lockstep;
mod relations;
mod row;
#[cfg(not(target_arch = "wasm32"))]
mod selection;
mod self_test;
#[cfg(not(target_arch = "wasm32"))]
mod suite;
pub mod trajectory;
mod transposes;
mod whole;

pub use bench::{Bench, Outcome};
pub use case::{CANARY, POISON, Prepared, TAIL, prepare, prepare_altered, shape};
pub use compare::{Mismatch, Worst, Wrong, check_f32_twin, compare};
pub use form::{CheckedVariant, check, check_all, check_variant, forms, prepare_all};
pub use lockstep::{Parted, Step, lockstep, lockstep_model};
pub use relations::check_relations;
pub use row::{FailedCase, Failure, Row, Verdict, What};
#[cfg(not(target_arch = "wasm32"))]
pub use selection::{Settings, unknown};
pub use self_test::{Passed, Replaced, SelfTest, self_test};
#[cfg(not(target_arch = "wasm32"))]
pub use suite::{Event, Report, run};
pub use whole::Whole;
