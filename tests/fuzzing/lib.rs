//! Fuzz targets for libFuzzer: see `tests/fuzz`.

pub mod targets;

use std::sync::atomic::{AtomicU64, Ordering};
use targets::{Target, Usage};

/// Runs a target, and prints the highest memory use so far, relative to its limit.
pub fn run(target: Target, bytes: &[u8]) {
    static MOST: AtomicU64 = AtomicU64::new(0);
    let Usage { peak, allowed } = target(bytes);
    let millionths = (peak as u64).saturating_mul(1_000_000) / (allowed as u64).max(1);
    if MOST.fetch_max(millionths, Ordering::Relaxed) < millionths {
        eprintln!("memory: {peak} of {allowed} bytes allowed, {:.3}", millionths as f64 / 1e6);
    }
}
