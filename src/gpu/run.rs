//! Runs a single kernel outside a plan, for verification.

use super::device::Gpu;
use super::executor::{PARAMS_STRIDE, map, range};
use super::pipeline::Pipeline;
use crate::error::Result;
use crate::plan::ALIGNMENT_WORDS;
use crate::shader::{Access, Binding};
use std::sync::Arc;

/// A single run of a kernel.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Parameters as bytes.
    pub params: &'a [u8],
    /// Number of workgroups; always folded into two rows.
    pub groups: u64,
    /// Words of each binding, in the order of [`crate::shader::Reflection::bindings`]; at least as many as its shape
    /// needs.
    pub arrays: &'a [Vec<u32>],
}

impl Pipeline {
    /// Runs the kernel once, and returns the words of every binding.
    pub async fn run(&self, gpu: &Arc<Gpu>, run: Run<'_>) -> Result<Vec<Vec<u32>>> {
        Ok(self.run_all(gpu, &[run]).await?.pop().unwrap_or_default())
    }

    /// Runs the kernel several times in one submission, and returns the words of every binding of each run.
    pub async fn run_all(&self, gpu: &Arc<Gpu>, runs: &[Run<'_>]) -> Result<Vec<Vec<Vec<u32>>>> {
        let doing = "running a kernel";
        let fold = |run: &Run<'_>| gpu.caps.fold_always(run.groups);
        let groups: Option<Vec<_>> = runs.iter().map(fold).collect();
        let groups = groups.ok_or_else(|| gpu.refusal(doing, "too many workgroups for two dimensions"))?;
        let places = self.places(runs);
        let (submission, [read, written]) = gpu.guarded(doing, || self.submit(gpu, runs, &groups, &places)).await?;
        let read = map(gpu.clone(), read, submission.clone(), doing.to_owned()).await?;
        let written = map(gpu.clone(), written, submission, doing.to_owned()).await?;
        let cut = |place: &Place| {
            let bytes = if place.written { &written } else { &read };
            bytemuck::pod_collect_to_vec(&bytes[4 * place.start..][..4 * place.length])
        };
        Ok(places.runs.iter().map(|run| run.iter().map(cut).collect()).collect())
    }

    /// Packs all bindings of all runs into two buffers, one read-only and one writable: a dispatch cannot use a buffer
    /// both ways.
    fn places(&self, runs: &[Run<'_>]) -> Places {
        let mut sizes = [0; 2];
        let mut place = |(array, binding): (&Vec<u32>, &Binding)| {
            let written = binding.access != Access::Read;
            let size = &mut sizes[usize::from(written)];
            let place = Place { written, start: *size, length: array.len() };
            *size += array.len().next_multiple_of(ALIGNMENT_WORDS);
            place
        };
        let runs = runs.iter().map(|run| run.arrays.iter().zip(&self.reflection.bindings).map(&mut place).collect());
        let runs = runs.collect();
        Places { runs, sizes: sizes.map(|size: usize| size.max(ALIGNMENT_WORDS)) }
    }

    fn submit(
        &self,
        gpu: &Gpu,
        runs: &[Run<'_>],
        groups: &[[u32; 2]],
        places: &Places,
    ) -> (wgpu::SubmissionIndex, [wgpu::Buffer; 2]) {
        let mut uniforms = vec![0u8; PARAMS_STRIDE * runs.len()];
        let mut words = places.sizes.map(|size| vec![0u32; size]);
        for ((run, places), uniform) in runs.iter().zip(&places.runs).zip(uniforms.chunks_exact_mut(PARAMS_STRIDE)) {
            uniform[..run.params.len()].copy_from_slice(run.params);
            for (array, place) in run.arrays.iter().zip(places) {
                words[usize::from(place.written)][place.start..][..place.length].copy_from_slice(array);
            }
        }
        let buffer = |contents: &[u8], usage| {
            let buffer = gpu.buffer("binding", contents.len() as u64, usage | wgpu::BufferUsages::COPY_DST);
            gpu.queue.write_buffer(&buffer, 0, contents);
            buffer
        };
        let uniforms = buffer(&uniforms, wgpu::BufferUsages::UNIFORM);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffers = words.map(|words| buffer(bytemuck::cast_slice(&words), usage));
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = buffers.each_ref().map(|buffer| gpu.buffer("staging", buffer.size(), usage));
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            for (i, (places, groups)) in places.runs.iter().zip(groups).enumerate() {
                let params = range(&uniforms, (i * PARAMS_STRIDE) as u64, PARAMS_STRIDE as u64);
                let bindings: Vec<_> = places.iter().map(|place| place.range(&buffers)).collect();
                pass.set_bind_group(0, &self.bind(gpu, params, &bindings), &[]);
                pass.dispatch_workgroups(groups[0], groups[1], 1);
            }
        }
        for (buffer, staging) in buffers.iter().zip(&staging) {
            encoder.copy_buffer_to_buffer(buffer, 0, staging, 0, buffer.size());
        }
        (gpu.submit(Some(encoder.finish())), staging)
    }
}

/// Location of a binding.
struct Place {
    /// Whether it is in the writable buffer.
    written: bool,
    /// First word.
    start: usize,
    /// Number of words.
    length: usize,
}

/// Locations of all bindings, and the contents of both buffers.
struct Places {
    runs: Vec<Vec<Place>>,
    sizes: [usize; 2],
}

impl Place {
    fn range<'a>(&self, buffers: &'a [wgpu::Buffer; 2]) -> wgpu::BufferBinding<'a> {
        range(&buffers[usize::from(self.written)], 4 * self.start as u64, 4 * self.length as u64)
    }
}
