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
mod words;
mod workgroup;

pub use copy::{CopyWordsKernel, PeakCopyParams};
pub use fma::{F16, F32, FmaKernel, FmaParams};
pub use native::native;
pub use read::{ReadParams, ReadWordsKernel};
pub use shaders::measure;
pub use workgroup::{WorkgroupKernel, WorkgroupParams};

use crate::kernel::AnyKernel;

/// All kernels of this module; f16 only if shaders support it.
pub fn registry(f16: bool) -> Vec<&'static dyn AnyKernel> {
    let mut kernels: Vec<&'static dyn AnyKernel> = vec![&F32, &WorkgroupKernel];
    kernels.extend(f16.then_some(&F16 as &dyn AnyKernel));
    kernels.extend(copy::COPIES.iter().map(|kernel| kernel as &dyn AnyKernel));
    kernels.extend(read::READS.iter().map(|kernel| kernel as &dyn AnyKernel));
    kernels
}
