//! Times a kernel alone, by the host clock.

use super::device::Gpu;
use super::executor::{GpuExecutor, range};
use super::pipeline::Pipeline;
use super::run::Run;
use crate::error::Result;
use crate::plan::ALIGNMENT_WORDS;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A kernel with its bindings on the device, ready to be timed.
pub struct Stopwatch {
    gpu: Arc<Gpu>,
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 2],
}

impl Stopwatch {
    /// Uploads the bindings of a run, and runs it once as a warm-up, since drivers defer work to the first run.
    ///
    /// # Errors
    /// If the device fails, or lacks memory.
    pub async fn new(gpu: &Arc<Gpu>, pipeline: Arc<Pipeline>, run: &Run<'_>) -> Result<Self> {
        let doing = "timing a kernel";
        let groups = gpu.caps.fold(run.groups);
        let groups = groups.ok_or_else(|| gpu.refusal(doing, "too many workgroups for two dimensions"))?;
        let bind_group = gpu.guarded(doing, || bind(gpu, &pipeline, run)).await?;
        let stopwatch = Self { gpu: gpu.clone(), pipeline, bind_group, groups };
        stopwatch.time(1)?;
        Ok(stopwatch)
    }

    /// Duration of `repeats` consecutive runs in one submission, including the submission itself.
    ///
    /// # Errors
    /// If the device fails.
    pub fn time(&self, repeats: u32) -> Result<Duration> {
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &self.bind_group, &[]);
            (0..repeats).for_each(|_| pass.dispatch_workgroups(self.groups[0], self.groups[1], 1));
        }
        let commands = encoder.finish();
        let started = Instant::now();
        self.gpu.wait(self.gpu.submit(Some(commands)), "timing a kernel")?;
        Ok(started.elapsed())
    }
}

impl GpuExecutor {
    /// Time of that many runs of a section in one submission, including the submission itself.
    ///
    /// # Errors
    /// If the plan has no such section, or the device fails.
    pub fn time(&self, section: &str, repeats: u32) -> Result<Duration> {
        let started = Instant::now();
        self.record(section, repeats, |all| all)?;
        self.gpu().wait(self.gpu().submit(None), "timing a section")?;
        Ok(started.elapsed())
    }
}

/// One buffer per binding, with the run's contents.
fn bind(gpu: &Gpu, pipeline: &Pipeline, run: &Run<'_>) -> wgpu::BindGroup {
    let buffer = |bytes: &[u8], usage| {
        let size = bytes.len().next_multiple_of(4 * ALIGNMENT_WORDS);
        let buffer = gpu.buffer("binding", size as u64, usage | wgpu::BufferUsages::COPY_DST);
        gpu.queue.write_buffer(&buffer, 0, bytes);
        buffer
    };
    let mut params = run.params.to_vec();
    params.resize(params.len().next_multiple_of(16), 0);
    let params = buffer(&params, wgpu::BufferUsages::UNIFORM);
    let arrays = run.arrays.iter().map(|array| buffer(bytemuck::cast_slice(array), wgpu::BufferUsages::STORAGE));
    let arrays: Vec<_> = arrays.collect();
    let ranges: Vec<_> = arrays.iter().map(|buffer| range(buffer, 0, buffer.size())).collect();
    pipeline.bind(gpu, range(&params, 0, params.size()), &ranges)
}
