//! Kernels with one-dimensional invocations: the WGSL snippet that computes their index, and the number of workgroups.

macro_rules! workgroup {
    () => {
        256
    };
}

/// Workgroup size of shaders with [`LINEAR`], there called `WORKGROUP`.
pub const WORKGROUP: u32 = workgroup!();

/// WGSL that declares `WORKGROUP` and `linear_index`.
pub const LINEAR: &str =
    concat!("const WORKGROUP = ", workgroup!(), "u;\n", include_str!("../../shaders/lib/linear.wgsl"));

/// Number of workgroups for `invocations` in a shader that uses `linear_index`.
pub fn linear_groups(invocations: u64) -> u64 {
    invocations.div_ceil(WORKGROUP.into())
}
