//! Checks beyond single kernels: graph gradients, training, determinism, and adapter limits.

use super::bench::{Bench, Outcome};
use super::{determinism, gradients, limits, trajectory, transposes};
use crate::error::Result;
use crate::kernel::Effort;

/// A kind of check. Its entries correspond to a kernel's variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// A hundred training steps, compared with the f64 twins.
    Trajectory,
    /// Bitwise reproducibility.
    Determinism,
    /// Dispatches larger than one dimension allows, and the largest bindings.
    Limits,
    /// Graph gradients: against finite differences, and on the device.
    Gradients,
    /// The same product from transposed factors.
    Transposes,
}

impl Whole {
    /// All kinds, longest first.
    pub const ALL: [Self; 5] = [Self::Trajectory, Self::Limits, Self::Determinism, Self::Gradients, Self::Transposes];

    /// Its name in place of a kernel's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trajectory => "trajectory",
            Self::Determinism => "determinism",
            Self::Limits => "limits",
            Self::Gradients => "gradients",
            Self::Transposes => "transposes",
        }
    }

    /// Names of its entries.
    pub fn entries(self, effort: Effort) -> Vec<String> {
        let names = match self {
            Self::Trajectory => trajectory::entries(effort),
            Self::Determinism => determinism::entries(),
            Self::Limits => limits::entries(effort),
            Self::Gradients => return gradients::entries(),
            Self::Transposes => transposes::entries(),
        };
        names.into_iter().map(str::to_owned).collect()
    }

    /// Runs an entry.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn run(self, bench: &Bench<'_>, entry: &str) -> Result<Outcome> {
        match self {
            Self::Trajectory => trajectory::run(bench, entry).await,
            Self::Determinism => determinism::run(bench, entry).await,
            Self::Limits => limits::run(bench, entry).await,
            Self::Gradients => gradients::run(bench, entry).await,
            Self::Transposes => transposes::run(bench, entry).await,
        }
    }
}
