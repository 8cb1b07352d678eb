//! Runs plans on the GPU. The only user of wgpu.

mod device;
mod executor;
mod fault;
mod pipeline;
mod run;
mod select;
mod timestamps;

pub use device::{Checks, Gpu};
pub use executor::GpuExecutor;
pub use fault::{Drill, Mishap, Moment};
pub use pipeline::{Pipeline, Pipelines};
pub use run::Run;
pub use select::{AdapterReport, Backing, Choice, Chosen, adapters, choose, report};
pub use timestamps::{Flaw, Stamps, Timed, spans};
pub use wgpu::{Adapter, Backends};
