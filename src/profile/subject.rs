//! The subject of a profile: an executor that can time its runs.

use crate::cpu::CpuExecutor;
use crate::error::Result;
use crate::gpu::{ClockFlaw, GpuExecutor, Stamps, TimedDispatches};
use crate::kernel::{AnyKernel, Caps};
use crate::plan::{Executor, Plan};
use std::future::Future;
use std::time::Instant;

/// An executor that can time its runs.
pub trait Subject: Executor {
    /// Its plan.
    fn plan(&self) -> &Plan;

    /// Device capabilities; none on the CPU path.
    fn caps(&self) -> Option<&Caps>;

    /// Runs `section` `times` times in one submission and waits for it.
    fn timed(&mut self, section: &str, times: u32, stamps: Stamps) -> impl Future<Output = Result<TimedDispatches>>;

    /// Runs `section` `times` times, waiting for each dispatch; spans are nanoseconds from the start.
    fn apart(&mut self, section: &str, times: u32) -> impl Future<Output = Result<TimedDispatches>>;

    /// The variant of a kernel in use.
    fn variant(&self, kernel: &dyn AnyKernel, params: &[u8]) -> String {
        self.caps().map_or_else(|| "twin".to_owned(), |caps| kernel.choose(params, caps).name)
    }
}

impl Subject for GpuExecutor {
    fn plan(&self) -> &Plan {
        self.plan()
    }

    fn caps(&self) -> Option<&Caps> {
        Some(&self.gpu().caps)
    }

    fn timed(&mut self, section: &str, times: u32, stamps: Stamps) -> impl Future<Output = Result<TimedDispatches>> {
        self.run_timed(section, times, stamps)
    }

    fn apart(&mut self, section: &str, times: u32) -> impl Future<Output = Result<TimedDispatches>> {
        self.run_apart(section, times)
    }
}

impl Subject for CpuExecutor<f32> {
    fn plan(&self) -> &Plan {
        self.plan()
    }

    fn caps(&self) -> Option<&Caps> {
        None
    }

    /// There is no device clock.
    async fn timed(&mut self, section: &str, times: u32, _stamps: Stamps) -> Result<TimedDispatches> {
        let begun = Instant::now();
        self.run(section, times)?;
        Ok(TimedDispatches {
            begun,
            recorded: begun,
            submitted: begun,
            ended: Instant::now(),
            spans: Err(ClockFlaw::Missing),
        })
    }

    async fn apart(&mut self, section: &str, times: u32) -> Result<TimedDispatches> {
        let begun = Instant::now();
        let count = self.plan().section(section)?.dispatches.len();
        let mut spans = Vec::with_capacity(count * times as usize);
        for number in (0..times).flat_map(|_| 0..count) {
            let from = begun.elapsed().as_nanos() as u64;
            self.run_dispatch(section, number)?;
            spans.push([from, begun.elapsed().as_nanos() as u64]);
        }
        Ok(TimedDispatches { begun, recorded: begun, submitted: begun, ended: Instant::now(), spans: Ok(spans) })
    }
}
