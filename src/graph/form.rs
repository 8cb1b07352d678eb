//! The name of a way to compute an op.

use std::fmt;

/// One way to compute an op, such as `direct` or `split-8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Form {
    /// The method.
    pub name: &'static str,
    /// Into how many parts it divides the work; 0 for a method that divides nothing.
    pub parts: u32,
}

impl Form {
    /// The only form of most ops.
    pub const DIRECT: Self = Self { name: "direct", parts: 0 };
    /// The form in which an output is stored where an input was, see [`Op::in_place`](super::Op::in_place). Lowering
    /// decides on it.
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
