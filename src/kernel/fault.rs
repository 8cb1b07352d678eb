//! Faults that tests seed into shaders.

/// A mistake that could have been made in a shader, to see it found: where the source says `from`, it is made to say
/// `to`.
///
/// A kernel lists those that its own cases have to find: its arithmetic, the guard of its index, the ends of its loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShaderFault {
    /// Part of the source of every variant that is chosen for the kernel's cases.
    pub from: &'static str,
    /// What stands in its place.
    pub to: &'static str,
}
