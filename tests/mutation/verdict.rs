//! What becomes of a mutant.

use std::fmt;

/// What became of a mutant in one kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Found: by what.
    Killed(String),
    /// Not found.
    Survived,
    /// No valid shader, or one that the driver does not take.
    Refused,
    /// Nothing of what this kernel computes is touched.
    Elsewhere,
}

impl Verdict {
    /// How a mutant was found after which the device can be used no more.
    pub(crate) const DEVICE: &str = "device";

    /// Reads what `Display` writes.
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text.split_once(' ').unwrap_or((text, "")) {
            ("killed", how) => Some(Self::Killed(how.into())),
            ("survived", _) => Some(Self::Survived),
            ("refused", _) => Some(Self::Refused),
            ("elsewhere", _) => Some(Self::Elsewhere),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(how) => write!(f, "killed {how}"),
            Self::Survived => f.write_str("survived"),
            Self::Refused => f.write_str("refused"),
            Self::Elsewhere => f.write_str("elsewhere"),
        }
    }
}
