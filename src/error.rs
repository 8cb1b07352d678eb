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
    out_of_memory: bool,
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Characters that a line keeps of its beginning, and of its end, where it is longer than both.
const KEPT: usize = 1000;

impl Error {
    /// `cause` says what failed, on what, expected and found; `advice` says what to do. They become one line each, for
    /// what they quote of files may be of any length, and may hold what commands a terminal.
    pub fn new(kind: Kind, cause: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { kind, cause: line(cause.into()), advice: line(advice.into()), out_of_memory: false }
    }

    /// The same, told apart as one that more memory would have spared.
    pub(crate) fn for_lack_of_memory(self) -> Self {
        Self { out_of_memory: true, ..self }
    }

    /// Whether the device had no room for a buffer.
    pub fn is_out_of_memory(&self) -> bool {
        self.out_of_memory
    }

    /// [`Self::new`] with the lines of `report`, which a library wrote about this crate's own source.
    pub(crate) fn with_report(kind: Kind, report: String, advice: impl Into<String>) -> Self {
        Self { cause: report, ..Self::new(kind, "", advice) }
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

/// One line of it: lines after the first follow a comma, control characters are escaped, and the middle of what is too
/// long is left out.
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
