//! The one error type: a line that says what failed, a line that says what to do, and an exit code.

use std::fmt;

/// What kind of thing failed; the number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A flag or a value that cannot be used.
    Usage = 2,
    /// A data set that is missing, damaged or contradicts itself.
    Data = 3,
    /// A model file that is missing, damaged or does not fit.
    Model = 4,
    /// No adapter, a lost device, or a limit of the adapter.
    Device = 5,
    /// Training met a number that is not finite.
    Numeric = 6,
    /// Reading, writing or downloading failed.
    Io = 7,
}

/// A failure, in words for the person who meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    cause: String,
    advice: String,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// `cause` says what failed, on what, expected and found; `advice` says what to do. One line each.
    pub fn new(kind: Kind, cause: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { kind, cause: cause.into(), advice: advice.into() }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code of a process that ends with this error.
    pub fn exit_code(&self) -> u8 {
        self.kind as u8
    }

    /// What failed.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do about it.
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// An input or output error on `path`.
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(
            Kind::Io,
            format!("cannot {action} {}: {error}", path.display()),
            "check that the path exists, that you may use it, and that the disk has room",
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Error {}
