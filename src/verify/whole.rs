//! Checks beyond single kernels: gradients of graphs, training, determinism, and the adapter's limits.

use super::compare::Worst;
use super::{determinism, gradients, limits, trajectory, transposes};
use crate::error::Result;
use crate::gpu::{Checks, Gpu, GpuExecutor, Pipelines};
use crate::kernel::{AnyKernel, Effort};
use crate::plan::Plan;
use std::cell::RefCell;
use std::sync::Arc;

/// What a check works on.
pub struct Bench<'a> {
    /// The device.
    pub gpu: Arc<Gpu>,
    /// The kernels that are being verified.
    pub kernels: &'a [&'static dyn AnyKernel],
    /// How much is to be done.
    pub effort: Effort,
    /// With runtime checks, as checks before this one have compiled them.
    pipelines: RefCell<Pipelines>,
}

impl<'a> Bench<'a> {
    /// A bench on this device.
    pub fn new(gpu: Arc<Gpu>, kernels: &'a [&'static dyn AnyKernel], effort: Effort) -> Self {
        Self { gpu, kernels, effort, pipelines: RefCell::new(Pipelines::new(Checks::On)) }
    }

    /// An executor of this plan with runtime checks, which compiles only what none of those before it has.
    ///
    /// # Errors
    /// As [`GpuExecutor::new`].
    pub async fn executor(&self, plan: Plan) -> Result<GpuExecutor> {
        let mut pipelines = self.pipelines.borrow().clone();
        pipelines.prepare(&self.gpu, &plan).await?;
        self.pipelines.replace(pipelines.clone());
        GpuExecutor::with_pipelines(self.gpu.clone(), plan, pipelines).await
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As it should, with these errors at worst.
    Fine(Worst),
    /// With this fault.
    Wrong(String),
    /// It cannot be done on this adapter, for this reason.
    NotRun(String),
}

/// A kind of check. Each has several entries, which are to the kind what its variants are to a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// A hundred steps of training, beside the f64 twins.
    Trajectory,
    /// The same bits in every repeat.
    Determinism,
    /// More workgroups than one dimension holds, and the largest bindings.
    Limits,
    /// Gradients of graphs: by finite differences, and on the device.
    Gradients,
    /// The same product from transposed factors.
    Transposes,
}

impl Whole {
    /// All kinds, the longest first.
    pub const ALL: [Self; 5] = [Self::Trajectory, Self::Limits, Self::Determinism, Self::Gradients, Self::Transposes];

    /// What it is called where kernels are called by their names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trajectory => "trajectory",
            Self::Determinism => "determinism",
            Self::Limits => "limits",
            Self::Gradients => "gradients",
            Self::Transposes => "transposes",
        }
    }

    /// The names of its entries.
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

    /// Does one of its entries.
    ///
    /// # Errors
    /// Where the device fails.
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
