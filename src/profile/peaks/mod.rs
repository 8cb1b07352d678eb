//! A device's measured peaks: arithmetic, memory, workgroup memory, and the latency of a dispatch, a submission and a
//! readback.
//!
//! The benchmark shaders are kernels like all others, with twins that their results are checked against right after
//! timing: work that a compiler removes or a driver gets wrong does not count.

mod copy;
mod fma;
mod native;
mod read;
mod shaders;
mod workgroup;

pub use copy::{CopyParams, CopyWords};
pub use fma::{F16, F32, Fma, FmaParams};
pub use native::native;
pub use read::{ReadParams, ReadWords};
pub use shaders::measure;
pub use workgroup::{Workgroup, WorkgroupParams};

use crate::kernel::{AnyKernel, Variant};

const LINEAR: &str = include_str!("../../../shaders/lib/linear.wgsl");
/// Workgroup size, as in `linear.wgsl`.
const WORKGROUP: u32 = 256;

/// Array sizes in words: fitting one core's cache, all cores' caches, and no cache.
const SIZES: [usize; 3] = [1 << 17, 1 << 20, 1 << 24];

/// By vectors of four words per invocation: few suit GPUs, many suit CPU drivers.
static COPIES: [CopyWords; 3] = [
    CopyWords { name: "peak_copy_1", each: 1 },
    CopyWords { name: "peak_copy_8", each: 8 },
    CopyWords { name: "peak_copy_64", each: 64 },
];
static READS: [ReadWords; 2] =
    [ReadWords { name: "peak_read_8", each: 8 }, ReadWords { name: "peak_read_64", each: 64 }];

/// All kernels of this module; f16 only if shaders support it.
pub fn registry(f16: bool) -> Vec<&'static dyn AnyKernel> {
    let mut kernels: Vec<&'static dyn AnyKernel> = vec![&F32, &Workgroup];
    kernels.extend(f16.then_some(&F16 as &dyn AnyKernel));
    kernels.extend(COPIES.iter().map(|kernel| kernel as &dyn AnyKernel));
    kernels.extend(READS.iter().map(|kernel| kernel as &dyn AnyKernel));
    kernels
}

/// The only variant of a kernel that processes `each` vectors per invocation.
fn vectors(each: u32, source: &'static str) -> Variant {
    Variant::new("plain", &[("EACH", crate::kernel::Constant::U32(each))], &[LINEAR, source])
}

/// Workgroups for `n` words.
fn groups(n: u32, each: u32) -> u64 {
    (n / 4).div_ceil(each * WORKGROUP).into()
}

/// Case sizes in words, around the work of an invocation, a workgroup and several workgroups.
fn sizes() -> [u32; 6] {
    [4, 252, 256, 1028, 16_384, 100_004]
}
