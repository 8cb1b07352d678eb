//! What the tests of shaders share: an open device, or one line that says how to get one.

use shadegrad::gpu::{Choice, Chosen, Gpu, choose};
use std::sync::Arc;

/// The device to test on: the first adapter there is, a GPU where there is one.
pub(crate) fn gpu() -> Arc<Gpu> {
    pollster::block_on(async {
        let adapter = match choose(&Choice::Auto).await.expect("`auto` always means something") {
            Chosen::Adapter(adapter) => Some(adapter),
            Chosen::NoGpu(others) => others.into_iter().next(),
            Chosen::Native => None,
        };
        let adapter = adapter.expect("no adapter to test shaders on: run tests/run, which provides a software driver");
        Gpu::open(&adapter).await.expect("the adapter opens")
    })
}
