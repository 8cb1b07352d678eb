//! Runs plans on the GPU. The only module that uses wgpu.

mod compiled;
mod device;
mod executor;
mod fault;
mod pipeline;
mod run;
mod select;
#[cfg(not(target_arch = "wasm32"))]
mod stopwatch;
mod timestamps;

pub use compiled::Compiled;
pub use device::{Checks, Gpu};
pub use executor::GpuExecutor;
pub use fault::{Drill, Mishap, Moment};
pub use pipeline::{Pipeline, Pipelines};
pub use run::Run;
pub use select::{AdapterReport, Chosen, DeviceChoice, DeviceKind, adapters, choose, report};
#[cfg(not(target_arch = "wasm32"))]
pub use stopwatch::Stopwatch;
pub use timestamps::{ClockFlaw, Stamps, TimedDispatches, spans};
pub use wgpu::{Adapter, Backends};
