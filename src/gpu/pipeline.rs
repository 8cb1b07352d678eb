//! Compiled kernels.

use super::device::{Checks, Gpu};
use crate::error::Result;
use crate::kernel::{AnyKernel, Variant};
use crate::plan::Plan;
use crate::shader::{Access, Reflection};
use std::collections::BTreeMap;
use std::sync::Arc;
use wgpu::util::{BufferInitDescriptor, DeviceExt};

/// A variant of a kernel, compiled, with the layout of its bindings.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// What the variant's source says of itself.
    pub reflection: Reflection,
}

/// One run of a kernel by itself, as verification does it.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Its parameters, as bytes.
    pub params: &'a [u8],
    /// How many workgroups; they are always folded into two rows.
    pub groups: u64,
    /// The words of each binding, in the order of [`Reflection::bindings`], at least as many as its shape needs.
    pub arrays: &'a [Vec<u32>],
}

impl Pipeline {
    /// Compiles one variant.
    pub async fn new(gpu: &Gpu, kernel: &dyn AnyKernel, variant: &Variant, checks: Checks) -> Result<Self> {
        let label = format!("{} {variant}", kernel.name());
        gpu.guarded(|| Self::compile(gpu, &label, kernel, variant, checks)).await?
    }

    pub(super) fn compile(
        gpu: &Gpu,
        label: &str,
        kernel: &dyn AnyKernel,
        variant: &Variant,
        checks: Checks,
    ) -> Result<Self> {
        let source = variant.source();
        let reflection = Reflection::of(kernel.name(), &source)?;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
        entries.extend(reflection.bindings.iter().map(|binding| {
            entry(binding.index, wgpu::BufferBindingType::Storage { read_only: binding.access == Access::Read })
        }));
        let layout = gpu
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries });
        let pipeline_layout = gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let module = gpu.module(label, source, checks);
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Every kernel writes its workgroup memory before it reads it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: checks == Checks::On,
                ..Default::default()
            },
            cache: None,
        });
        Ok(Self { pipeline, layout, reflection })
    }

    /// Binds the uniform `params` and one range of a buffer for each storage binding.
    pub(super) fn bind(
        &self,
        gpu: &Gpu,
        params: wgpu::BufferBinding<'_>,
        bindings: &[wgpu::BufferBinding<'_>],
    ) -> wgpu::BindGroup {
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(params) }];
        entries.extend(self.reflection.bindings.iter().zip(bindings).map(|(binding, range)| wgpu::BindGroupEntry {
            binding: binding.index,
            resource: wgpu::BindingResource::Buffer(range.clone()),
        }));
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &entries,
        })
    }

    /// Runs the kernel once on these words, and gives back the words of every binding.
    pub async fn run(&self, gpu: &Arc<Gpu>, run: Run<'_>) -> Result<Vec<Vec<u32>>> {
        let groups = gpu.caps.fold_always(run.groups).ok_or_else(|| gpu.fault("too many workgroups for two dimensions"))?;
        let (submission, staging) = gpu.guarded(|| self.submit(gpu, &run, groups)).await?;
        let bytes = super::executor::map(gpu.clone(), staging, submission).await?;
        let words: &[u32] = bytemuck::cast_slice(&bytes);
        let mut start = 0;
        let cut = |array: &Vec<u32>| {
            start += array.len();
            words[start - array.len()..start].to_vec()
        };
        Ok(run.arrays.iter().map(cut).collect())
    }

    fn submit(&self, gpu: &Gpu, run: &Run<'_>, groups: [u32; 2]) -> (wgpu::SubmissionIndex, wgpu::Buffer) {
        let mut uniform = run.params.to_vec();
        uniform.resize(uniform.len().next_multiple_of(16), 0);
        let buffer = |contents: &[u8], usage| {
            gpu.device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
        };
        let params = buffer(&uniform, wgpu::BufferUsages::UNIFORM);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffers: Vec<_> = run.arrays.iter().map(|array| buffer(bytemuck::cast_slice(array), usage)).collect();
        let ranges: Vec<_> = buffers.iter().map(|buffer| buffer.as_entire_buffer_binding()).collect();
        let bind_group = self.bind(gpu, params.as_entire_buffer_binding(), &ranges);
        let staging = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffers.iter().map(wgpu::Buffer::size).sum(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(groups[0], groups[1], 1);
        }
        let mut start = 0;
        for buffer in &buffers {
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, start, buffer.size());
            start += buffer.size();
        }
        (gpu.queue.submit([encoder.finish()]), staging)
    }
}

/// The compiled kernels of an executor, by their source: what its plans have in common is compiled once.
#[derive(Debug)]
pub(super) struct Pipelines {
    checks: Checks,
    by_source: BTreeMap<String, Arc<Pipeline>>,
    compiled: usize,
}

impl Pipelines {
    /// None yet, all to be compiled with these checks.
    pub(super) fn new(checks: Checks) -> Self {
        Self { checks, by_source: BTreeMap::new(), compiled: 0 }
    }

    /// The pipeline of a variant, where it is prepared.
    pub(super) fn get(&self, variant: &Variant) -> Option<&Arc<Pipeline>> {
        self.by_source.get(&variant.source())
    }

    /// How many were compiled.
    pub(super) fn compiled(&self) -> usize {
        self.compiled
    }

    /// Compiles each variant of the plan that is not here yet, each on a thread of its own where there are threads.
    pub(super) async fn prepare(&mut self, gpu: &Arc<Gpu>, plan: &Plan) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for dispatch in plan.sections.iter().flat_map(|section| &section.dispatches) {
            let variant = dispatch.kernel.choose(&dispatch.params, &gpu.caps);
            let source = variant.source();
            if !self.by_source.contains_key(&source) {
                wanted.insert(source, (dispatch.kernel, variant));
            }
        }
        let checks = self.checks;
        #[cfg(not(target_arch = "wasm32"))]
        let compiled = std::thread::scope(|scope| {
            let start = |(source, (kernel, variant)): (String, (&'static dyn AnyKernel, Variant))| {
                let label = format!("{} {variant}", kernel.name());
                // Error scopes belong to a thread, so each thread waits for its own.
                let compile = move || pollster::block_on(Pipeline::new(gpu, kernel, &variant, checks));
                (source, label, scope.spawn(compile))
            };
            let threads: Vec<_> = wanted.into_iter().map(start).collect();
            threads.into_iter().map(|(source, label, thread)| (source, label, thread.join())).collect::<Vec<_>>()
        });
        #[cfg(target_arch = "wasm32")]
        let compiled = {
            let mut compiled = Vec::new();
            for (source, (kernel, variant)) in wanted {
                let pipeline: std::thread::Result<_> = Ok(Pipeline::new(gpu, kernel, &variant, checks).await);
                compiled.push((source, format!("{} {variant}", kernel.name()), pipeline));
            }
            compiled
        };
        for (source, label, pipeline) in compiled {
            let pipeline = pipeline.map_err(|_| gpu.fault(&format!("compiling {label} failed")))??;
            self.by_source.insert(source, Arc::new(pipeline));
            self.compiled += 1;
        }
        Ok(())
    }
}
