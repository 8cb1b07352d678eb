//! Kernels over arrays of words: their sizes, workgroups and cases.

use crate::kernel::{Constant, LINEAR, Variant, WORKGROUP};

/// Array sizes in words: fitting one core's cache, all cores' caches, and no cache.
pub(super) const SIZES: [usize; 3] = [1 << 17, 1 << 20, 1 << 24];

/// The only variant of a kernel that processes `each` vectors per invocation.
pub(super) fn vectors(each: u32, source: &'static str) -> Variant {
    Variant::new("plain", &[("EACH", Constant::U32(each))], &[LINEAR, source])
}

/// Workgroups for `n` words.
pub(super) fn groups(n: u32, each: u32) -> u64 {
    (n / 4).div_ceil(each * WORKGROUP).into()
}

/// Case sizes in words, around the work of an invocation, a workgroup and several workgroups.
pub(super) fn sizes() -> [u32; 6] {
    [4, 252, 256, 1028, 16_384, 100_004]
}
