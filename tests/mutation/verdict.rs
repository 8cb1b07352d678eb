//! Outcomes of mutants.

use std::fmt;

/// The outcome of a mutant in a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Detected, and how.
    Killed(String),
    /// Not detected.
    Survived,
    /// Not a valid shader, or rejected by the driver.
    Refused,
    /// Does not affect what this kernel computes.
    Elsewhere,
}

impl Verdict {
    /// How a mutant was detected if the device is unusable afterwards.
    pub(crate) const DEVICE: &str = "device";

    /// Parses the output of `Display`.
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
