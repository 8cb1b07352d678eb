//! Shader faults seeded by tests.

/// A plausible shader bug that tests must detect: occurrences of `from` in the source are replaced by `to`.
///
/// A kernel lists faults that its own cases must find: in its arithmetic, its index guard and its loop bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShaderFault {
    /// Part of the source of every variant chosen for the kernel's cases.
    pub from: &'static str,
    /// The replacement.
    pub to: &'static str,
}
