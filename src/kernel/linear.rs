//! Kernels whose invocations lie in a line: the snippet by which a shader numbers them, and how many workgroups they take.

macro_rules! workgroup {
    () => {
        256
    };
}

/// Invocations of a workgroup of a shader with [`LINEAR`], which calls it `WORKGROUP`.
pub const WORKGROUP: u32 = workgroup!();

/// WGSL that declares `WORKGROUP` and `linear_index`.
pub const LINEAR: &str =
    concat!("const WORKGROUP = ", workgroup!(), "u;\n", include_str!("../../shaders/lib/linear.wgsl"));

/// Workgroups for so many invocations of a shader that uses `linear_index`.
pub fn linear_groups(invocations: u64) -> u64 {
    invocations.div_ceil(WORKGROUP.into())
}
