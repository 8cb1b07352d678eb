//! Checks beyond single kernels: graph gradients, training, determinism, and adapter limits.

use super::compare::Worst;
use super::{determinism, gradients, limits, trajectory, transposes};
use crate::error::Result;
use crate::gpu::{Checks, Gpu, GpuExecutor, Pipelines};
use crate::kernel::{AnyKernel, Effort};
use crate::plan::Plan;
use std::cell::RefCell;
use std::sync::Arc;

/// Shared state of the checks.
pub struct Bench<'a> {
    /// The device.
    pub gpu: Arc<Gpu>,
    /// The kernels under test.
    pub kernels: &'a [&'static dyn AnyKernel],
    /// Size of the run.
    pub effort: Effort,
    /// Compiled with runtime checks, shared between checks.
    pipelines: RefCell<Pipelines>,
}

impl<'a> Bench<'a> {
    /// A bench on this device.
    pub fn new(gpu: Arc<Gpu>, kernels: &'a [&'static dyn AnyKernel], effort: Effort) -> Self {
        Self { gpu, kernels, effort, pipelines: RefCell::new(Pipelines::new(Checks::On)) }
    }

    /// An executor of this plan with runtime checks; reuses pipelines compiled earlier.
    ///
    /// # Errors
    /// As for [`GpuExecutor::new`].
    pub async fn executor(&self, plan: Plan) -> Result<GpuExecutor> {
        let mut pipelines = self.pipelines.borrow().clone();
        pipelines.prepare(&self.gpu, &plan).await?;
        self.pipelines.replace(pipelines.clone());
        GpuExecutor::with_pipelines(self.gpu.clone(), plan, pipelines).await
    }
}

/// Result of a check.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Passed, with these worst errors.
    Fine(Worst),
    /// Failed, with this error.
    Wrong(String),
    /// Not possible on this adapter, with the reason.
    NotRun(String),
}

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
