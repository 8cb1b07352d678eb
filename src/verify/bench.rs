//! Shared by whole-plan checks: the device under test, its compiled pipelines, and the result of a check.

use super::compare::Worst;
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
