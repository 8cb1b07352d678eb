//! The crate's error type: one line that says what failed, one that says what to do, and an exit code.

use std::fmt;

/// The category of a failure; its number is the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An invalid flag or value.
    Usage = 2,
    /// A missing, damaged or inconsistent data set.
    Data = 3,
    /// A missing, damaged or incompatible model file.
    Model = 4,
    /// No adapter, a lost device, or an adapter limit.
    Device = 5,
    /// A NaN or infinity during training.
    Numeric = 6,
    /// A failure to read, write or download.
    Io = 7,
}

/// A failure, described for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    cause: String,
    advice: String,
    out_of_memory: bool,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Characters kept from the start and from the end of a line that is too long.
const KEPT: usize = 1000;

impl Error {
    /// `cause` says what failed, on what, expected and found; `advice` says what to do. Each becomes one printable
    /// line, since text quoted from files may have any length and contain terminal escapes.
    pub fn new(kind: Kind, cause: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { kind, cause: line(cause.into()), advice: line(advice.into()), out_of_memory: false }
    }

    /// Marks the error as caused by lack of memory.
    pub(crate) fn for_lack_of_memory(self) -> Self {
        Self { out_of_memory: true, ..self }
    }

    /// Whether the device was out of memory.
    pub fn is_out_of_memory(&self) -> bool {
        self.out_of_memory
    }

    /// [`Self::new`], but keeps the lines of `report`, a library's message about this crate's own source.
    pub(crate) fn with_report(kind: Kind, report: String, advice: impl Into<String>) -> Self {
        Self { cause: report, ..Self::new(kind, "", advice) }
    }

    /// The category of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process's exit code for this error.
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

    /// An I/O error on `path`.
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(
            Kind::Io,
            format!("cannot {action} {}: {error}", path.display()),
            "check that the path exists, its permissions, and the free disk space",
        )
    }
}

/// Makes text a single line: further lines are joined with commas, control characters escaped, and the middle of long
/// text omitted.
fn line(text: String) -> String {
    let fits = text.len() <= 2 * KEPT;
    if fits && !text.contains(char::is_control) {
        return text;
    }
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut line = String::new();
    for character in lines.join(", ").chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    let place = |(at, _)| at;
    let head = line.char_indices().nth(KEPT).map(place);
    let tail = line.char_indices().rev().nth(KEPT - 1).map(place);
    match head.zip(tail) {
        Some((head, tail)) if head < tail => format!("{} ... {}", &line[..head], &line[tail..]),
        _ => line,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_quoted_becomes_one_line_of_printable_characters() {
        let cause = |text: &str| Error::new(Kind::Data, text, "").cause().to_owned();
        for (text, expected) in [
            ("as it is: Größe", "as it is: Größe"),
            ("one\n\n  two\r\nthree\n", "one, two, three"),
            ("\u{1b}[31mred\u{7f}\0", "\\u{1b}[31mred\\u{7f}\\u{0}"),
            ("\n", ""),
        ] {
            assert_eq!(cause(text), expected);
        }
        let long = cause(&format!("begin {} end", "é".repeat(5000)));
        assert_eq!(long.chars().count(), 2 * KEPT + " ... ".len());
        assert!(long.starts_with("begin é") && long.ends_with("é end"));
        let fits = "é".repeat(2 * KEPT);
        assert_eq!(cause(&fits), fits);
        let report = Error::with_report(Kind::Device, "a\nb".to_owned(), "");
        assert_eq!(report.cause(), "a\nb");
    }
}
