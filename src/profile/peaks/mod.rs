//! What a device can do at most, as measured on it: arithmetic, memory, workgroup memory, and what a dispatch, a submit
//! and a readback take.
//!
//! The shaders that drive it to its limits are kernels like all others, with twins to which their results are held right
//! after they were timed: work that a compiler drops, or a driver does wrongly, counts for nothing.

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
/// Invocations of a workgroup, as `linear.wgsl` has it.
const WORKGROUP: u32 = 256;

/// Words of the arrays that memory is measured with: such as fit a core's cache, all cores' caches, and none.
const SIZES: [usize; 3] = [1 << 17, 1 << 20, 1 << 24];

/// Kernels over words, by how many vectors of four words an invocation takes: few suit GPUs, many suit CPU drivers.
static COPIES: [CopyWords; 3] = [
    CopyWords { name: "peak_copy_1", each: 1 },
    CopyWords { name: "peak_copy_8", each: 8 },
    CopyWords { name: "peak_copy_64", each: 64 },
];
static READS: [ReadWords; 2] =
    [ReadWords { name: "peak_read_8", each: 8 }, ReadWords { name: "peak_read_64", each: 64 }];

/// Every kernel here; that of half precision only where shaders may compute in it.
pub fn registry(f16: bool) -> Vec<&'static dyn AnyKernel> {
    let mut kernels: Vec<&'static dyn AnyKernel> = vec![&F32, &Workgroup];
    kernels.extend(f16.then_some(&F16 as &dyn AnyKernel));
    kernels.extend(COPIES.iter().map(|kernel| kernel as &dyn AnyKernel));
    kernels.extend(READS.iter().map(|kernel| kernel as &dyn AnyKernel));
    kernels
}

/// The one variant of a kernel over vectors of words of which an invocation takes `each`.
fn vectors(each: u32, source: &'static str) -> Variant {
    Variant::new("plain", &[("EACH", crate::kernel::Constant::U32(each))], &[LINEAR, source])
}

/// Workgroups for `n` words.
fn groups(n: u32, each: u32) -> u64 {
    (n / 4).div_ceil(each * WORKGROUP).into()
}

/// Sizes of cases, in words, around what an invocation, a workgroup and a few of them take.
fn sizes() -> [u32; 6] {
    [4, 252, 256, 1028, 16_384, 100_004]
}
