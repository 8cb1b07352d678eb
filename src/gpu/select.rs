//! Lists adapters and selects one.

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::str::FromStr;

/// The device requested by the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A hardware GPU, or the CPU path if there is none.
    Auto,
    /// The CPU path.
    Cpu,
    /// The adapter with this index.
    Index(usize),
    /// The first adapter whose name or driver contains this text, ignoring case.
    Name(String),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match (text, text.parse()) {
            // Every name contains the empty string.
            ("", _) => {
                let advice = "use `auto`, `cpu`, or an adapter's number or part of its name";
                return Err(Error::new(Kind::Usage, "the device name is empty", advice));
            }
            ("auto", _) => Self::Auto,
            ("cpu", _) => Self::Cpu,
            (_, Ok(index)) => Self::Index(index),
            _ => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Index(index) => index.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Where the computation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares host memory.
    Integrated,
    /// A GPU passed through to a virtual machine.
    Virtual,
    /// A software driver that runs shaders on the CPU.
    Cpu,
    /// No shaders: the twins, compiled for this CPU.
    Native,
}

impl fmt::Display for DeviceKind {
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

impl From<wgpu::DeviceType> for DeviceKind {
    fn from(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::Cpu => Self::Cpu,
            // GL drivers do not report a type; most of them are GPUs.
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => Self::Virtual,
        }
    }
}

/// An entry of `shadegrad devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterReport {
    /// The driver's name for the adapter.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// Where the computation runs.
    pub backing: DeviceKind,
    /// Minimum and maximum subgroup size, if subgroup operations are available.
    pub subgroup_sizes: Option<[u32; 2]>,
    /// Whether shaders can use f16.
    pub f16: bool,
    /// Whether dispatches can be timed.
    pub timestamps: bool,
    /// Cooperative matrix tiles, such as `16x16x16 f16 -> f32`.
    pub cooperative_matrices: Vec<String>,
    /// Maximum buffer size in bytes.
    pub max_buffer_bytes: u64,
    /// Maximum storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Maximum number of storage buffers per shader.
    pub max_storage_buffers: u32,
    /// Maximum workgroup memory in bytes.
    pub max_workgroup_memory: u32,
    /// Maximum invocations per workgroup.
    pub max_invocations: u32,
}

/// All adapters, in stable order: native APIs first, then OpenGL.
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
    // Compute shaders are required.
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

/// A [`DeviceChoice`] resolved on this machine.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// An adapter.
    Adapter(wgpu::Adapter),
    /// The CPU path, as requested.
    Native,
    /// The CPU path, since none of these adapters is a GPU; in the order of [`adapters`].
    NoGpu(Vec<wgpu::Adapter>),
}

/// Resolves `choice`.
///
/// # Errors
/// If there is no such adapter; lists the available ones.
pub async fn choose(choice: &DeviceChoice) -> Result<Chosen> {
    if *choice == DeviceChoice::Cpu {
        return Ok(Chosen::Native);
    }
    // Initializing OpenGL takes longer than everything else together, so it is tried last.
    let primary = adapters(wgpu::Backends::PRIMARY).await;
    if let Some(found) = pick(choice, &primary) {
        return Ok(Chosen::Adapter(found));
    }
    let mut all = primary;
    all.extend(adapters(wgpu::Backends::SECONDARY).await);
    match pick(choice, &all) {
        Some(found) => Ok(Chosen::Adapter(found)),
        None if *choice == DeviceChoice::Auto => Ok(Chosen::NoGpu(all)),
        None => {
            let names: Vec<_> = all.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let wanted = match choice {
                DeviceChoice::Index(index) => format!("number {index}"),
                DeviceChoice::Name(name) => format!("matching {name:?}"),
                DeviceChoice::Auto | DeviceChoice::Cpu => "that is a GPU".to_owned(),
            };
            Err(Error::new(
                Kind::Device,
                format!("no adapter {wanted}; available: {names}"),
                "choose one from `shadegrad devices`, use --device cpu, or install a Vulkan driver",
            ))
        }
    }
}

/// The requested adapter, if it is among these.
fn pick(choice: &DeviceChoice, adapters: &[wgpu::Adapter]) -> Option<wgpu::Adapter> {
    let matches = |text: &str| {
        let text = text.to_lowercase();
        let told = |info: wgpu::AdapterInfo| format!("{} {} {}", info.name, info.driver, info.driver_info);
        adapters.iter().find(|adapter| told(adapter.get_info()).to_lowercase().contains(&text)).cloned()
    };
    let best =
        |wanted: DeviceKind| adapters.iter().find(|a| DeviceKind::from(a.get_info().device_type) == wanted).cloned();
    match choice {
        DeviceChoice::Cpu => None,
        DeviceChoice::Index(index) => adapters.get(*index).cloned(),
        DeviceChoice::Name(name) => matches(name),
        DeviceChoice::Auto => {
            [DeviceKind::Discrete, DeviceKind::Integrated, DeviceKind::Virtual].into_iter().find_map(best)
        }
    }
}
