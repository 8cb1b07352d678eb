//! Runs plans on the GPU. The only user of wgpu.

mod device;
mod executor;
mod pipeline;
mod select;

pub use device::{Checks, Gpu};
pub use executor::GpuExecutor;
pub use pipeline::{Pipeline, Pipelines, Run};
pub use select::{AdapterReport, Backing, Choice, Chosen, adapters, choose, report};
pub use wgpu::Backends;
