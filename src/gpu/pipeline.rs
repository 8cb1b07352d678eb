//! Compiled kernels.

use super::device::{Checks, Gpu};
use crate::error::{Error, Result};
use crate::kernel::{AnyKernel, Variant};
use crate::plan::Plan;
use crate::shader::{Access, Reflection};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A compiled kernel variant with its binding layout.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    /// Reflection of the variant's source.
    pub reflection: Reflection,
}

impl Pipeline {
    /// Compiles one variant.
    pub async fn new(gpu: &Gpu, kernel: &dyn AnyKernel, variant: &Variant, checks: Checks) -> Result<Self> {
        let label = format!("{} {variant}", kernel.name());
        let doing = format!("compiling {label}");
        gpu.guarded(&doing, || Self::compile(gpu, &label, kernel, variant, checks)).await?
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
            // Kernels initialize workgroup memory before reading it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: checks == Checks::On,
                ..Default::default()
            },
            cache: gpu.pipeline_cache(),
        });
        Ok(Self { pipeline, layout, reflection })
    }

    /// Binds the uniform `params` and one buffer range per storage binding.
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
}

/// Compiled kernels by source, shared between plans.
#[derive(Clone, Debug)]
pub struct Pipelines {
    checks: Checks,
    by_source: BTreeMap<String, Arc<Pipeline>>,
    compiled: usize,
}

impl Pipelines {
    /// An empty set, to be compiled with these checks.
    pub fn new(checks: Checks) -> Self {
        Self { checks, by_source: BTreeMap::new(), compiled: 0 }
    }

    /// The pipeline of a variant, if compiled.
    pub fn get(&self, variant: &Variant) -> Option<&Arc<Pipeline>> {
        self.by_source.get(&variant.source())
    }

    /// Number of compiled pipelines.
    pub(super) fn compiled(&self) -> usize {
        self.compiled
    }

    /// Compiles the plan's variants that are missing, in parallel if there are threads.
    ///
    /// # Errors
    /// If one does not compile.
    pub async fn prepare(&mut self, gpu: &Arc<Gpu>, plan: &Plan) -> Result<()> {
        self.prepare_most(gpu, plan).await?.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Like [`Self::prepare`], but skips what does not compile; returns source and error of each.
    ///
    /// # Errors
    /// If the device has failed.
    pub async fn prepare_most(&mut self, gpu: &Arc<Gpu>, plan: &Plan) -> Result<Vec<(String, Error)>> {
        let mut wanted = BTreeMap::new();
        for dispatch in plan.sections.iter().flat_map(|section| &section.dispatches) {
            let variant = dispatch.kernel.choose(&dispatch.params, &gpu.caps);
            let source = variant.source();
            if !self.by_source.contains_key(&source) {
                wanted.insert(source, (dispatch.kernel, variant));
            }
        }
        self.compile_all(gpu, wanted).await
    }

    /// Compiles these variants of a kernel; returns those that compile, with their pipelines.
    ///
    /// # Errors
    /// If the device has failed.
    pub async fn prepare_variants(
        &mut self,
        gpu: &Arc<Gpu>,
        kernel: &'static dyn AnyKernel,
        variants: Vec<Variant>,
    ) -> Result<Vec<(Variant, Arc<Pipeline>)>> {
        let is_new = |variant: &&Variant| self.get(variant).is_none();
        let wanted = variants.iter().filter(is_new).map(|variant| (variant.source(), (kernel, variant.clone())));
        let wanted = wanted.collect();
        self.compile_all(gpu, wanted).await?;
        let ready = |variant: Variant| self.get(&variant).cloned().map(|pipeline| (variant, pipeline));
        Ok(variants.into_iter().filter_map(ready).collect())
    }

    /// Compiles the given sources; returns source and error of those that fail.
    async fn compile_all(
        &mut self,
        gpu: &Arc<Gpu>,
        wanted: BTreeMap<String, (&'static dyn AnyKernel, Variant)>,
    ) -> Result<Vec<(String, Error)>> {
        let checks = self.checks;
        #[cfg(not(target_arch = "wasm32"))]
        let compiled = std::thread::scope(|scope| {
            let start = |(source, (kernel, variant)): (String, (&'static dyn AnyKernel, Variant))| {
                let label = format!("{} {variant}", kernel.name());
                // Error scopes are per thread, so each thread waits for its own.
                let compile = move || pollster::block_on(Pipeline::new(gpu, kernel, &variant, checks));
                (source, label, scope.spawn(compile))
            };
            let join =
                |(source, label, thread): (_, _, std::thread::ScopedJoinHandle<'_, _>)| (source, label, thread.join());
            if gpu.shares_context() {
                return wanted.into_iter().map(|one| join(start(one))).collect::<Vec<_>>();
            }
            let threads: Vec<_> = wanted.into_iter().map(start).collect();
            threads.into_iter().map(join).collect()
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
        let mut refused = Vec::new();
        for (source, label, pipeline) in compiled {
            let broke_off = |_| Err(gpu.refusal(&format!("compiling {label}"), "wgpu panicked"));
            match pipeline.unwrap_or_else(broke_off) {
                Ok(pipeline) => {
                    self.by_source.insert(source, Arc::new(pipeline));
                    self.compiled += 1;
                }
                Err(error) => refused.push((source, error)),
            }
        }
        gpu.healthy("compiling kernels")?;
        Ok(refused)
    }
}
