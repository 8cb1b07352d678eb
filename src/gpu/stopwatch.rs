//! How long a kernel takes by itself, by the host's clock.

use super::device::Gpu;
use super::executor::range;
use super::pipeline::Pipeline;
use super::run::Run;
use crate::error::Result;
use crate::plan::ALIGNMENT_WORDS;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A kernel with its bindings on the device, to be run over and over.
pub struct Stopwatch {
    gpu: Arc<Gpu>,
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 2],
}

impl Stopwatch {
    /// Uploads the bindings of a run, and runs it once: drivers leave work for the first time.
    ///
    /// # Errors
    /// Where the device fails, or has no room.
    pub async fn new(gpu: &Arc<Gpu>, pipeline: Arc<Pipeline>, run: &Run<'_>) -> Result<Self> {
        let doing = "timing a kernel";
        let groups = gpu.caps.fold(run.groups);
        let groups = groups.ok_or_else(|| gpu.refusal(doing, "too many workgroups for two dimensions"))?;
        let bind_group = gpu.guarded(doing, || bind(gpu, &pipeline, run)).await?;
        let stopwatch = Self { gpu: gpu.clone(), pipeline, bind_group, groups };
        stopwatch.time(1)?;
        Ok(stopwatch)
    }

    /// How long so many runs take, one after the other, in one submit; the time of a submit included.
    ///
    /// # Errors
    /// Where the device fails.
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

/// A buffer for each binding, with what the run gives it.
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
