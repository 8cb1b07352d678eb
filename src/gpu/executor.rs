//! Runs a plan on a device: everything is built once, then many steps are recorded at a time.

use super::device::{Checks, Gpu};
use super::pipeline::{Pipeline, Pipelines};
use crate::error::Result;
use crate::kernel::Array;
use crate::plan::{Buffer, Dispatch, Exchange, Executor, Keep, Memory, Pending, Plan, SlotId, Traffic};
use crate::shape::DType;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Alignment of dispatch parameters in the uniform buffer, accepted by every adapter.
pub(super) const PARAMS_STRIDE: usize = 256;

/// A dispatch, ready to record.
pub(super) struct Ready {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 2],
}

impl Ready {
    /// Records the dispatch.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], 1);
    }
}

/// Executes a plan on the GPU.
pub struct GpuExecutor {
    gpu: Arc<Gpu>,
    plan: Plan,
    buffers: Vec<wgpu::Buffer>,
    sections: Vec<(Cow<'static, str>, Vec<Ready>)>,
    pipelines: Pipelines,
    up: u64,
    down: Arc<AtomicU64>,
}

impl GpuExecutor {
    /// Allocates the plan's buffers, compiles its kernels in parallel, and builds every bind group.
    ///
    /// # Errors
    /// If the plan is not valid on this adapter, memory runs out, or a shader does not compile.
    pub async fn new(gpu: Arc<Gpu>, plan: Plan, checks: Checks) -> Result<Self> {
        Self::with_pipelines(gpu, plan, Pipelines::new(checks)).await
    }

    /// [`Self::new`] with some kernels already compiled.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub async fn with_pipelines(gpu: Arc<Gpu>, plan: Plan, pipelines: Pipelines) -> Result<Self> {
        Self::build(gpu, plan, pipelines, Exchange::default()).await
    }

    /// Number of kernels compiled, for this plan and earlier ones.
    pub fn compiled(&self) -> usize {
        self.pipelines.compiled()
    }

    /// Takes over what the exchange of plans keeps, and compiles kernels missing from the pipelines.
    async fn build(gpu: Arc<Gpu>, plan: Plan, mut pipelines: Pipelines, kept: Exchange<wgpu::Buffer>) -> Result<Self> {
        plan.validate(&gpu.caps)?;
        if gpu.caps.cpu {
            plan.fits_host(size_of::<f32>(), |buffer| kept.moves(buffer))?;
        }
        pipelines.prepare(&gpu, &plan).await?;
        let buffers = gpu.guarded("allocating buffers", || allocate(&gpu, &plan.memory, kept)).await?;
        let dispatches: Vec<&Dispatch> = plan.sections.iter().flat_map(|section| &section.dispatches).collect();
        let mut params = vec![0u8; PARAMS_STRIDE * dispatches.len().max(1)];
        for (dispatch, target) in dispatches.iter().zip(params.chunks_exact_mut(PARAMS_STRIDE)) {
            target[..dispatch.params.len()].copy_from_slice(&dispatch.params);
        }
        let upload = || {
            let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let buffer = gpu.buffer("params", params.len() as u64, usage);
            gpu.queue.write_buffer(&buffer, 0, &params);
            buffer
        };
        let uniforms = gpu.guarded("uploading parameters", upload).await?;
        let mut offsets = (0u64..).step_by(PARAMS_STRIDE);
        let mut sections = Vec::new();
        for section in &plan.sections {
            let mut dispatches = Vec::new();
            for (dispatch, offset) in section.dispatches.iter().zip(&mut offsets) {
                let params = range(&uniforms, offset, PARAMS_STRIDE as u64);
                let bind = || ready(&gpu, &plan, &pipelines, &buffers, params, dispatch);
                dispatches.push(gpu.guarded("binding buffers", bind).await??);
            }
            sections.push((section.name.clone(), dispatches));
        }
        // A device lost meanwhile reports that only when waited for.
        gpu.wait(gpu.submit(None), "preparing a plan")?;
        let up = params.len() as u64;
        Ok(Self { gpu, plan, buffers, sections, pipelines, up, down: Arc::default() })
    }

    /// Its plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where it runs.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Runs one dispatch of a section by index from 0; none if out of range.
    ///
    /// # Errors
    /// If the plan has no such section, or the device has failed.
    pub fn run_dispatch(&mut self, section: &str, number: usize) -> Result<()> {
        self.record(section, 1, |all| all.get(number..=number).unwrap_or_default())
    }

    /// Submits the dispatches of a section that `select` returns, `times` times.
    pub(super) fn record(&self, section: &str, times: u32, select: impl Fn(&[Ready]) -> &[Ready]) -> Result<()> {
        let dispatches = self.dispatches(section)?;
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            // A single pass for all steps is cheapest; wgpu orders dispatches that share a written buffer.
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            (0..times).flat_map(|_| select(dispatches)).for_each(|ready| ready.record(&mut pass));
        }
        self.gpu.submit(Some(encoder.finish()));
        self.gpu.healthy(&format!("running `{section}`"))
    }

    /// The dispatches of a section.
    pub(super) fn dispatches(&self, section: &str) -> Result<&[Ready]> {
        let name = &self.plan.section(section)?.name;
        Ok(self.sections.iter().find(|(other, _)| other == name).map_or(&[], |(_, ready)| ready))
    }

    fn upload(&mut self, id: SlotId, bytes: &[u8]) -> Result<()> {
        let slot = self.plan.memory.slot(id);
        self.gpu.queue.write_buffer(&self.buffers[slot.buffer], slot.offset as u64 * 4, bytes);
        self.up += bytes.len() as u64;
        self.gpu.healthy(&format!("uploading `{}`", slot.name))
    }

    /// Copies `count` words of a slot, starting at `first`, to a mappable buffer.
    fn download(&self, id: SlotId, first: usize, count: usize) -> impl Future<Output = Result<Vec<u8>>> + use<> {
        let slot = self.plan.memory.slot(id);
        let count = count.min(slot.words.saturating_sub(first));
        let size = count as u64 * 4;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.gpu.buffer("staging", size, usage);
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&self.buffers[slot.buffer], (slot.offset + first) as u64 * 4, &staging, 0, size);
        let submission = self.gpu.submit(Some(encoder.finish()));
        self.down.fetch_add(size, Ordering::Relaxed);
        map(self.gpu.clone(), staging, submission, format!("reading `{}`", slot.name))
    }
}

impl Executor for GpuExecutor {
    fn memory(&self) -> &Memory {
        &self.plan.memory
    }

    fn write_f32(&mut self, id: SlotId, data: &[f32]) -> Result<()> {
        let slot = self.plan.memory.slot(id);
        if slot.ty.dtype != DType::F32 || slot.words != data.len() {
            return Err(slot.refuse("f32", data.len()));
        }
        self.upload(id, bytemuck::cast_slice(data))
    }

    fn write_words(&mut self, id: SlotId, data: &[u32]) -> Result<()> {
        let slot = self.plan.memory.slot(id);
        if slot.ty.dtype == DType::F32 || slot.words != data.len() {
            return Err(slot.refuse("words", data.len()));
        }
        self.upload(id, bytemuck::cast_slice(data))
    }

    fn run(&mut self, section: &str, times: u32) -> Result<()> {
        self.record(section, times, |all| all)
    }

    fn fetch(&mut self, slot: SlotId, first: usize, count: usize) -> Result<Pending> {
        let bytes = self.download(slot, first, count);
        Ok(Box::pin(async move { Ok(bytemuck::pod_collect_to_vec(&bytes.await?)) }))
    }

    fn fetch_words(&mut self, slot: SlotId) -> Result<Pending<u32>> {
        let bytes = self.download(slot, 0, self.plan.memory.slot(slot).words);
        Ok(Box::pin(async move { Ok(bytemuck::pod_collect_to_vec(&bytes.await?)) }))
    }

    async fn read(&mut self, id: SlotId) -> Result<Array<f64>> {
        let (words, dtype) = (self.plan.memory.slot(id).words, self.plan.memory.slot(id).ty.dtype);
        let bytes = self.download(id, 0, words).await?;
        Ok(match dtype {
            DType::F32 => {
                let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
                Array::Real(numbers.into_iter().map(f64::from).collect())
            }
            DType::U32 | DType::U8 => Array::Word(bytemuck::pod_collect_to_vec(&bytes)),
        })
    }

    fn traffic(&self) -> Traffic {
        Traffic { up: self.up, down: self.down.load(Ordering::Relaxed) }
    }

    async fn with_plan(self, mut plan: Plan, keep: Keep) -> Result<Self> {
        let Self { gpu, plan: before, buffers, sections, pipelines, up, down } = self;
        let kept = Exchange::between(&before.memory, buffers, &mut plan.memory, keep);
        // Bind groups keep buffers alive, and so do runs in progress: end both before allocating.
        drop(sections);
        gpu.wait(gpu.submit(None), "changing plans")?;
        let next = Self::build(gpu, plan, pipelines, kept).await?;
        Ok(Self { up: up + next.up, down, ..next })
    }
}

/// Maps a staging buffer after `submission`, and returns its bytes.
pub(super) async fn map(
    gpu: Arc<Gpu>,
    staging: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    doing: String,
) -> Result<Vec<u8>> {
    let (sender, receiver) = futures_intrusive::channel::shared::oneshot_channel();
    staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
        // The receiver is gone only if nobody waits any more.
        let _ = sender.send(outcome);
    });
    gpu.wait(submission, &doing)?;
    match receiver.receive().await {
        Some(Ok(())) => {
            let mapped = staging.get_mapped_range(..);
            let bytes = mapped.map_err(|error| gpu.refusal(&doing, &error.to_string()))?.to_vec();
            staging.unmap();
            Ok(bytes)
        }
        Some(Err(error)) => Err(gpu.refusal(&doing, &error.to_string())),
        None => Err(gpu.refusal(&doing, "the readback was dropped")),
    }
}

/// All buffers of a plan: moved ones, and new ones with the copied contents.
fn allocate(gpu: &Gpu, memory: &Memory, mut kept: Exchange<wgpu::Buffer>) -> Vec<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffers = memory.buffers().iter().enumerate();
    let sources: Vec<_> = kept.copies().map(|(buffer, copy)| (buffer.clone(), copy)).collect();
    let buffer = |(index, buffer): (usize, &Buffer)| {
        let new = || gpu.buffer(&buffer.name, buffer.words as u64 * 4, usage);
        kept.take(index).unwrap_or_else(new)
    };
    let buffers: Vec<_> = buffers.map(buffer).collect();
    if !sources.is_empty() {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (from, copy) in &sources {
            let [from_byte, to_byte, bytes] = [copy.from.1, copy.to.1, copy.words].map(|words| words as u64 * 4);
            encoder.copy_buffer_to_buffer(from, from_byte, &buffers[copy.to.0], to_byte, bytes);
        }
        gpu.submit(Some(encoder.finish()));
    }
    buffers
}

pub(super) fn range(buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> wgpu::BufferBinding<'_> {
    wgpu::BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(bytes) }
}

fn ready(
    gpu: &Gpu,
    plan: &Plan,
    pipelines: &Pipelines,
    buffers: &[wgpu::Buffer],
    params: wgpu::BufferBinding<'_>,
    dispatch: &Dispatch,
) -> Result<Ready> {
    let variant = dispatch.kernel.choose(&dispatch.params, &gpu.caps);
    let missing = || gpu.refusal("binding buffers", &format!("{} was not prepared", dispatch.label));
    let pipeline = pipelines.get(&variant).ok_or_else(missing)?.clone();
    let groups = gpu.caps.fold(dispatch.kernel.groups(&dispatch.params, &variant)).ok_or_else(missing)?;
    let slots = dispatch.bindings().map(|(_, id)| plan.memory.slot(id));
    let bindings: Vec<_> =
        slots.map(|slot| range(&buffers[slot.buffer], slot.offset as u64 * 4, slot.words as u64 * 4)).collect();
    Ok(Ready { bind_group: pipeline.bind(gpu, params, &bindings), pipeline, groups })
}
