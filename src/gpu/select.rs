//! Which adapters there are, and which one to use.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::str::FromStr;

/// What the user asked to train on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A hardware GPU; without one, the CPU path.
    Auto,
    /// The CPU path.
    Cpu,
    /// The adapter of this number in the list of adapters.
    Index(usize),
    /// The first adapter whose name or driver contains this text, in any case.
    Name(String),
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match (text, text.parse()) {
            // Every name contains the empty one.
            ("", _) => {
                let advice = "give `auto`, `cpu`, or an adapter by number or part of its name";
                return Err(Error::new(Kind::Usage, "the name of the device is empty", advice));
            }
            ("auto", _) => Self::Auto,
            ("cpu", _) => Self::Cpu,
            (_, Ok(index)) => Self::Index(index),
            _ => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Where the device's arithmetic is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the host's memory.
    Integrated,
    /// A GPU handed to a virtual machine.
    Virtual,
    /// Shaders run on the CPU by a software driver.
    Cpu,
    /// No shaders: the twins, compiled for this CPU.
    Native,
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Cpu => "cpu",
            Self::Native => "native",
        })
    }
}

impl From<wgpu::DeviceType> for Backing {
    fn from(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::Cpu => Self::Cpu,
            // Drivers behind GL do not say what they are; most of them are GPUs.
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => Self::Virtual,
        }
    }
}

/// What `shadegrad devices` tells of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterReport {
    /// Name as the driver gives it.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// Where its arithmetic is done.
    pub backing: Backing,
    /// Least and largest subgroup, where it has subgroup operations.
    pub subgroup_sizes: Option<[u32; 2]>,
    /// Whether shaders may use f16.
    pub f16: bool,
    /// Whether it times dispatches.
    pub timestamps: bool,
    /// Cooperative matrix tiles, such as `16x16x16 f16 -> f32`.
    pub cooperative_matrices: Vec<String>,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Storage buffers that one shader may use.
    pub max_storage_buffers: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_memory: u32,
    /// Invocations of a workgroup.
    pub max_invocations: u32,
}

/// All adapters: those of the platform's own interfaces first, then those behind OpenGL. Their order is stable.
pub async fn adapters(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let mut found = Vec::new();
    for backends in [backends & wgpu::Backends::PRIMARY, backends & wgpu::Backends::SECONDARY] {
        if backends.is_empty() {
            continue;
        }
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backends;
        descriptor.flags = wgpu::InstanceFlags::empty();
        found.extend(wgpu::Instance::new(descriptor).enumerate_adapters(backends).await);
    }
    // Without compute shaders an adapter is of no use here.
    found.retain(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    found
}

/// Describes an adapter.
pub fn report(adapter: &wgpu::Adapter) -> AdapterReport {
    let (info, features, limits) = (adapter.get_info(), adapter.features(), adapter.limits());
    let timestamps = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
    let subgroups = features.contains(wgpu::Features::SUBGROUP);
    let tile = |tile: &wgpu::CooperativeMatrixProperties| {
        let (m, n, k) = (tile.m_size, tile.n_size, tile.k_size);
        format!("{m}x{n}x{k} {:?} -> {:?}", tile.ab_type, tile.cr_type).to_lowercase()
    };
    AdapterReport {
        backend: info.backend.to_string(),
        driver: [info.driver.as_str(), info.driver_info.as_str()].join(" ").trim().to_owned(),
        backing: info.device_type.into(),
        subgroup_sizes: subgroups.then_some([info.subgroup_min_size, info.subgroup_max_size]),
        f16: features.contains(wgpu::Features::SHADER_F16),
        timestamps: features.contains(timestamps),
        cooperative_matrices: adapter.cooperative_matrix_properties().iter().map(tile).collect(),
        max_buffer_bytes: limits.max_buffer_size,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        max_workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        name: info.name,
    }
}

/// What a [`Choice`] means on this machine.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// This adapter.
    Adapter(wgpu::Adapter),
    /// The CPU path, as was asked for.
    Native,
    /// The CPU path, as none of the adapters there are is a GPU: these, in the order of [`adapters`].
    NoGpu(Vec<wgpu::Adapter>),
}

/// The adapter that `choice` means, or the CPU path.
///
/// # Errors
/// Where there is no such adapter: lists those that there are.
pub async fn choose(choice: &Choice) -> Result<Chosen> {
    if *choice == Choice::Cpu {
        return Ok(Chosen::Native);
    }
    // Starting OpenGL takes longer than the rest together, so it is asked only where the rest does not do.
    let primary = adapters(wgpu::Backends::PRIMARY).await;
    if let Some(found) = pick(choice, &primary) {
        return Ok(Chosen::Adapter(found));
    }
    let mut all = primary;
    all.extend(adapters(wgpu::Backends::SECONDARY).await);
    match pick(choice, &all) {
        Some(found) => Ok(Chosen::Adapter(found)),
        None if *choice == Choice::Auto => Ok(Chosen::NoGpu(all)),
        None => {
            let names: Vec<_> = all.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let wanted = match choice {
                Choice::Index(index) => format!("number {index}"),
                Choice::Name(name) => format!("with {name:?} in its name"),
                Choice::Auto | Choice::Cpu => "that is a GPU".to_owned(),
            };
            Err(Error::new(
                Kind::Device,
                format!("no adapter {wanted}; there are: {names}"),
                "choose one of `shadegrad devices`, or --device cpu, or install a Vulkan driver",
            ))
        }
    }
}

/// The adapter that is meant, where it is among these.
fn pick(choice: &Choice, adapters: &[wgpu::Adapter]) -> Option<wgpu::Adapter> {
    let matches = |text: &str| {
        let text = text.to_lowercase();
        let told = |info: wgpu::AdapterInfo| format!("{} {} {}", info.name, info.driver, info.driver_info);
        adapters.iter().find(|adapter| told(adapter.get_info()).to_lowercase().contains(&text)).cloned()
    };
    let best = |wanted: Backing| adapters.iter().find(|a| Backing::from(a.get_info().device_type) == wanted).cloned();
    match choice {
        Choice::Cpu => None,
        Choice::Index(index) => adapters.get(*index).cloned(),
        Choice::Name(name) => matches(name),
        Choice::Auto => [Backing::Discrete, Backing::Integrated, Backing::Virtual].into_iter().find_map(best),
    }
}
