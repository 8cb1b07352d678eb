//! An open device and its capabilities.

use super::compiled::Compiled;
use super::fault::{DeviceFault, Drill, FirstFault, Mishap, Moment, one_line};
use crate::error::{Error, Kind, Result};
use crate::kernel::Caps;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Timeout after which the device counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// Optional features that training uses.
const USUAL_FEATURES: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::PIPELINE_CACHE);

/// Whether the driver and wgpu add bounds checks and loop limits to shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// On, the default of wgpu; also verified.
    On,
    /// Off, for speed: kernels guard their own accesses, which the tests prove with canaries.
    Off,
}

/// A device, its queue, and the first fault reported.
#[derive(Clone, Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// Name, backend and driver.
    pub info: wgpu::AdapterInfo,
    /// Capabilities that matter to kernels and plans.
    pub caps: Caps,
    compiled: Option<(wgpu::PipelineCache, Arc<Compiled>)>,
    fault: FirstFault,
    drill: Drill,
}

impl Gpu {
    /// Opens the adapter with its own limits, and with subgroup operations if available.
    ///
    /// # Errors
    /// If the driver does not provide the device.
    pub async fn open(adapter: &wgpu::Adapter) -> Result<Arc<Self>> {
        Self::open_for_drill(adapter, Drill::default()).await
    }

    /// [`Self::open`] with a cache of compiled pipelines, if supported.
    ///
    /// # Errors
    /// If the driver does not provide the device.
    pub async fn open_with_compiled(adapter: &wgpu::Adapter, compiled: Compiled) -> Result<Arc<Self>> {
        Ok(Self::open(adapter).await?.with_compiled(compiled))
    }

    /// This device with a cache of compiled pipelines, if supported.
    pub fn with_compiled(self: Arc<Self>, compiled: Compiled) -> Arc<Self> {
        let mut gpu = Arc::unwrap_or_clone(self);
        if gpu.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            let label = Some("shadegrad");
            let descriptor = wgpu::PipelineCacheDescriptor { label, data: compiled.bytes(), fallback: true };
            #[allow(unsafe_code, reason = "drivers trust their own cache data")]
            // SAFETY: `Compiled` returns only bytes that match the hash stored with them, hence exactly what `get_data`
            // returned; the driver checks their header and starts over if they are not its own.
            let cache = unsafe { gpu.device.create_pipeline_cache(&descriptor) };
            gpu.compiled = Some((cache, Arc::new(compiled)));
        }
        Arc::new(gpu)
    }

    /// Saves the driver's compiled pipelines for the next run, if it exposes them.
    ///
    /// # Errors
    /// If they cannot be written: the driver then recompiles next time.
    pub fn keep_compiled(&self) -> Result<()> {
        let Some((cache, file)) = &self.compiled else { return Ok(()) };
        cache.get_data().map_or(Ok(()), |bytes| file.keep(&bytes))
    }

    /// The pipeline cache.
    pub(super) fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.compiled.as_ref().map(|(cache, _)| cache)
    }

    /// Opens the adapter for a test with injected faults.
    ///
    /// # Errors
    /// If the driver does not provide the device.
    pub async fn open_for_drill(adapter: &wgpu::Adapter, drill: Drill) -> Result<Arc<Self>> {
        Self::open_with(adapter, USUAL_FEATURES, drill).await
    }

    /// Opens the adapter for measurement: with timestamps and f16 in addition to the features training uses, if
    /// available.
    ///
    /// # Errors
    /// If the driver does not provide the device, with or without them.
    pub async fn open_to_measure(adapter: &wgpu::Adapter) -> Result<Arc<Self>> {
        let features = USUAL_FEATURES | wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16;
        match Self::open_with(adapter, features, Drill::default()).await {
            // Drivers may advertise features that they then refuse.
            Err(_) => Self::open(adapter).await,
            opened => opened,
        }
    }

    /// Opens the adapter with those of `features` that it supports.
    async fn open_with(adapter: &wgpu::Adapter, features: wgpu::Features, drill: Drill) -> Result<Arc<Self>> {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("shadegrad"),
            required_features: adapter.features() & features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            Error::new(
                Kind::Device,
                format!("{}, opening the device: {}", info.name, one_line(&error.to_string())),
                "close other programs that use it, update its driver, or choose another device with --device",
            )
        })?;
        let fault = FirstFault::default();
        let (for_errors, for_loss) = (fault.clone(), fault.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| for_errors.report(error.into())));
        device.set_device_lost_callback(move |_, message| for_loss.report(DeviceFault::Lost(message)));
        let caps = capabilities(&info, &device.features(), &limits);
        Ok(Arc::new(Self { device, queue, info, caps, compiled: None, fault, drill }))
    }

    /// Whether threads and devices of the adapter share one context, for which wgpu waits at most a second before it
    /// panics: the GL backend.
    pub(crate) fn shares_context(&self) -> bool {
        self.info.backend == wgpu::Backend::Gl
    }

    /// Whether the device was opened with timestamps.
    pub(super) fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Identifies the adapter and its driver.
    pub fn identity(&self) -> String {
        let wgpu::AdapterInfo { name, vendor, device, driver, driver_info, backend, .. } = &self.info;
        format!("{name}, {vendor:#x}:{device:#x}, {backend}, {driver} {driver_info}")
    }

    /// The same device with this variant of a kernel excluded.
    pub fn distrusting(&self, kernel: &'static str, variant: &str) -> Arc<Self> {
        let mut gpu = self.clone();
        gpu.caps.distrusted.push((kernel, variant.to_owned()));
        Arc::new(gpu)
    }

    /// The same device with this variant of a kernel preferred for these parameters.
    pub fn preferring(&self, kernel: &'static str, params: &[u8], variant: &str) -> Arc<Self> {
        let mut gpu = self.clone();
        gpu.caps.preferred.insert((kernel, params.to_vec()), variant.to_owned());
        Arc::new(gpu)
    }

    /// Whether the device has reported no fault. `doing` describes the current operation, for the error message.
    ///
    /// # Errors
    /// The first fault.
    pub(crate) fn healthy(&self, doing: &str) -> Result<()> {
        self.fault.get().map_or(Ok(()), |fault| Err(self.error(fault, doing)))
    }

    /// The error for a rejected operation.
    pub(super) fn refusal(&self, doing: &str, what: &str) -> Error {
        self.error(DeviceFault::Refused(what.to_owned()), doing)
    }

    fn error(&self, mut fault: DeviceFault, doing: &str) -> Error {
        if matches!(fault, DeviceFault::Refused(_)) {
            // A lost device rejects everything, and may report why only after all previous work is done.
            self.poll(None);
            fault = self.fault.get().filter(|fault| matches!(fault, DeviceFault::Lost(_))).unwrap_or(fault);
        }
        fault.error(&self.info.name, doing)
    }

    /// Runs `work`, and turns any error the device reports meanwhile into a `Result`.
    pub(super) async fn guarded<T>(&self, doing: &str, work: impl FnOnce() -> T) -> Result<T> {
        let scopes = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal]
            .map(|filter| self.device.push_error_scope(filter));
        let result = work();
        // Error scopes are popped in reverse order.
        for scope in scopes.into_iter().rev() {
            if let Some(error) = scope.pop().await {
                return Err(self.error(error.into(), doing));
            }
        }
        // Device loss is not reported to a scope.
        self.healthy(doing)?;
        Ok(result)
    }

    /// Creates a buffer. Lack of memory is reported to the enclosing scope or by [`Self::healthy`].
    pub(super) fn buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.meet(Moment::Allocate(label));
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        self.device.create_buffer(&descriptor)
    }

    /// Submits recorded commands.
    pub(super) fn submit(&self, commands: Option<wgpu::CommandBuffer>) -> wgpu::SubmissionIndex {
        self.meet(Moment::Submit);
        self.queue.submit(commands)
    }

    /// Waits for `submission` on native platforms; a browser calls back on its own.
    ///
    /// # Errors
    /// Any fault the device has reported, or a timeout.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex, doing: &str) -> Result<()> {
        self.poll(Some(submission));
        self.healthy(doing)
    }

    /// Waits for `submission`, or for everything, and records any fault.
    fn poll(&self, submission: Option<wgpu::SubmissionIndex>) {
        // wgpu panics if the driver loses the device meanwhile.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if submission.is_some() && self.meet(Moment::Wait) == Some(Mishap::Silence) {
                return Err(wgpu::PollError::Timeout);
            }
            self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: Some(PATIENCE) })
        }));
        match polled {
            Ok(Ok(_)) => {}
            Ok(Err(wgpu::PollError::Timeout)) => self.fault.report(DeviceFault::Silent(PATIENCE)),
            Ok(Err(wgpu::PollError::WrongSubmissionIndex(..))) => {
                self.fault.report(DeviceFault::Refused("the submission failed".to_owned()));
            }
            Err(_) => self.fault.report(DeviceFault::Lost("while waiting".to_owned())),
        }
    }

    /// Applies the drill's fault for this moment, if any.
    fn meet(&self, moment: Moment<'_>) -> Option<Mishap> {
        let mishap = self.drill.at(moment);
        match mishap {
            Some(Mishap::Lost) => self.device.destroy(),
            Some(Mishap::OutOfMemory) => self.fault.report(DeviceFault::OutOfMemory(format!("a drill at {moment:?}"))),
            Some(Mishap::Silence) | None => {}
        }
        mishap
    }

    /// Compiles WGSL. The source must be one of this crate's kernels.
    pub(super) fn module(&self, label: &str, source: String, checks: Checks) -> wgpu::ShaderModule {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(source.into()) };
        match checks {
            Checks::On => self.device.create_shader_module(descriptor),
            #[allow(unsafe_code, reason = "trusted shaders are the one unsafe call of the crate")]
            Checks::Off => {
                // SAFETY: the source is a kernel of this crate. Each guards or clamps every index against its
                // parameters, whose shapes the plan has compared with the bound slots and whose sizes fit 32 bits;
                // every loop counts up to a parameter, or walks a cycle that leads back below its end; no divisor is
                // zero. The harness runs all of them over edge shapes with canaries, with checks on and off.
                unsafe { self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
            }
        }
    }
}

impl Drop for Gpu {
    /// wgpu waits indefinitely for a queue it drops, and panics if that fails: the queue of a broken device is never
    /// dropped.
    fn drop(&mut self) {
        if self.fault.get().is_some() {
            std::mem::forget(self.queue.clone());
        }
    }
}

/// The major version from a driver string such as "Mesa 26.2.6-1 (LLVM 22.1.8)".
fn mesa_version(driver_info: &str) -> Option<u32> {
    let (_, version) = driver_info.split_once("Mesa ")?;
    version.split('.').next()?.parse().ok()
}

fn capabilities(info: &wgpu::AdapterInfo, features: &wgpu::Features, limits: &wgpu::Limits) -> Caps {
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    let subgroups = features.contains(wgpu::Features::SUBGROUP) && fixed;
    Caps {
        cpu: info.device_type == wgpu::DeviceType::Cpu,
        subgroup_size: subgroups.then_some(info.subgroup_min_size),
        mesa: mesa_version(&info.driver_info),
        f16: features.contains(wgpu::Features::SHADER_F16),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        // Some drivers advertise more and then drop workgroups; 65,535 works on all of them.
        max_groups: limits.max_compute_workgroups_per_dimension.min(65_535),
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        invocations: limits.max_compute_invocations_per_workgroup,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        offset_alignment: limits.min_storage_buffer_offset_alignment,
        distrusted: Vec::new(),
        preferred: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_mesa_is_read_where_it_is_the_driver() {
        let told = ["Mesa 26.2.6-1 (LLVM 22.1.8)", "4.5 (Core Profile) Mesa 25.0.7-2", "570.124.06", "Mesa git"];
        assert_eq!(told.map(mesa_version), [Some(26), Some(25), None, None]);
    }
}
