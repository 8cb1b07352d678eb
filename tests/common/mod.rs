//! What the tests of shaders share: an open device, or one line that says how to get one.

use shadegrad::gpu::{Choice, Gpu, choose};
use std::sync::Arc;

/// The device to test on: the first adapter there is, a GPU where there is one.
pub(crate) fn gpu() -> Arc<Gpu> {
    pollster::block_on(async {
        let first = match choose(&Choice::Auto).await {
            Ok(None) => choose(&Choice::Index(0)).await,
            other => other,
        };
        let adapter = first.ok().flatten();
        let adapter = adapter.expect("no adapter to test shaders on: run tests/run, which provides a software driver");
        Gpu::open(&adapter).await.expect("the adapter opens")
    })
}
