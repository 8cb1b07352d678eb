//! Shared by shader tests: an open device, or an error that says how to get one.

use shadegrad::gpu::{Chosen, DeviceChoice, Gpu, choose};
use std::sync::Arc;

/// The adapter to test on: a GPU if there is one, else the first adapter.
pub(crate) fn adapter() -> wgpu::Adapter {
    let adapter = match pollster::block_on(choose(&DeviceChoice::Auto)).expect("`auto` always means something") {
        Chosen::Adapter(adapter) => Some(adapter),
        Chosen::NoGpu(others) => others.into_iter().next(),
        Chosen::Native => None,
    };
    adapter.expect("no adapter to test shaders on: run tests/run, which provides a software driver")
}

/// The device to test on.
pub(crate) fn gpu() -> Arc<Gpu> {
    pollster::block_on(Gpu::open(&adapter())).expect("the adapter opens")
}
