//! Names of the ways to compute an op.

use std::fmt;

/// One way to compute an op, such as `direct` or `split-8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form {
    /// The method.
    pub name: &'static str,
    /// Number of parts the work is split into; 0 if it is not split.
    pub parts: u32,
}

impl Form {
    /// The only form of most ops.
    pub const DIRECT: Self = Self { name: "direct", parts: 0 };
    /// The form that stores an output in an input's memory, see [`Op::in_place`](super::Op::in_place). Chosen by
    /// lowering.
    pub const IN_PLACE: Self = Self { name: "in-place", parts: 0 };
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts {
            0 => f.write_str(self.name),
            parts => write!(f, "{}-{parts}", self.name),
        }
    }
}
