//! An open device, what it can do, and what went wrong on it.

use crate::error::{Error, Kind, Result};
use crate::kernel::Caps;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long to wait for the device before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether the driver's and wgpu's bounds checks and loop bounds are put into shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// As any program would have them; verification runs so too.
    On,
    /// Off, for speed: the kernels guard their own accesses, which the tests prove with canaries.
    Off,
}

/// A device, its queue, and the faults it has reported.
#[derive(Clone, Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// Name, backend and driver.
    pub info: wgpu::AdapterInfo,
    /// What kernels and plans need to know.
    pub caps: Caps,
    faults: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens the adapter with its own limits, and subgroup operations where it has them.
    pub async fn open(adapter: &wgpu::Adapter) -> Result<Arc<Self>> {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("shadegrad"),
            required_features: adapter.features() & wgpu::Features::SUBGROUP,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            Error::new(
                Kind::Device,
                format!("{} cannot be opened: {}", info.name, one_line(&error.to_string())),
                "close other programs that use it, update its driver, or choose another with --device",
            )
        })?;
        let faults = Arc::new(Mutex::new(None));
        let first = |faults: &Arc<Mutex<Option<String>>>, what: String| {
            faults.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
        };
        let for_errors = faults.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| first(&for_errors, error.to_string())));
        let for_loss = faults.clone();
        device.set_device_lost_callback(move |_, message| first(&for_loss, format!("the device was lost: {message}")));
        let caps = capabilities(&info, &device.features(), &limits);
        Ok(Arc::new(Self { device, queue, info, caps, faults }))
    }

    /// What tells this adapter, under this driver, from others.
    pub fn identity(&self) -> String {
        let wgpu::AdapterInfo { name, vendor, device, driver, driver_info, backend, .. } = &self.info;
        format!("{name}, {vendor:#x}:{device:#x}, {backend}, {driver} {driver_info}")
    }

    /// The same device, on which this variant of this kernel is not trusted any more.
    pub fn distrusting(&self, kernel: &'static str, variant: &str) -> Arc<Self> {
        let mut gpu = self.clone();
        gpu.caps.distrusted.push((kernel, variant.to_owned()));
        Arc::new(gpu)
    }

    /// The first fault that the device has reported outside any other call.
    ///
    /// # Errors
    /// That fault.
    pub fn healthy(&self) -> Result<()> {
        match self.faults.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(fault) => Err(self.fault(fault)),
            None => Ok(()),
        }
    }

    /// An error of this device.
    pub(super) fn fault(&self, what: &str) -> Error {
        Error::new(
            Kind::Device,
            format!("{}: {}", self.info.name, one_line(what)),
            "try again, make the model or batch smaller, or choose another adapter (see `shadegrad devices`)",
        )
    }

    /// Runs `work`, and turns whatever the device objects to meanwhile into an error.
    pub(super) async fn guarded<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let scopes = [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Internal]
            .map(|filter| self.device.push_error_scope(filter));
        let result = work();
        // Scopes end in the reverse order of their beginning.
        for scope in scopes.into_iter().rev() {
            if let Some(error) = scope.pop().await {
                return Err(self.fault(&error.to_string()));
            }
        }
        Ok(result)
    }

    /// Waits until `submission` has run, where the platform waits; a browser calls back by itself.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        let outcome = self.device.poll(poll);
        self.healthy()?;
        outcome.map(|_| ()).map_err(|error| self.fault(&error.to_string()))
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

fn capabilities(info: &wgpu::AdapterInfo, features: &wgpu::Features, limits: &wgpu::Limits) -> Caps {
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    let subgroups = features.contains(wgpu::Features::SUBGROUP) && fixed;
    Caps {
        cpu: info.device_type == wgpu::DeviceType::Cpu,
        subgroup_size: subgroups.then_some(info.subgroup_min_size),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        // Some drivers claim more and then drop workgroups; 65,535 is what all of them do.
        max_groups: limits.max_compute_workgroups_per_dimension.min(65_535),
        offset_alignment: limits.min_storage_buffer_offset_alignment,
        distrusted: Vec::new(),
    }
}

/// Driver messages run over many lines; an error is one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
