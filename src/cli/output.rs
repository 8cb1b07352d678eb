//! All output: text for people, or one JSON object per line.

use crate::error::{Error, Kind, Result};
pub(super) use crate::text::{bytes, thousands};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::io::Write;

/// Standard output, as text or JSON.
#[derive(Debug)]
pub(super) struct Output {
    mode: Mode,
}

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    /// Text lines.
    Lines,
    /// One JSON object per line.
    Events,
    /// A single document, with nothing before it.
    Document,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { mode: if json { Mode::Events } else { Mode::Lines } }
    }

    /// For a single document, with nothing before it.
    pub(super) fn document() -> Self {
        Self { mode: Mode::Document }
    }

    /// Writes a document in any mode.
    pub(super) fn text(&self, text: impl AsRef<str>) -> Result<()> {
        write_line(text.as_ref().trim_end())
    }

    /// Writes a text line; nothing in JSON mode.
    pub(super) fn line(&self, text: impl std::fmt::Display) -> Result<()> {
        if self.mode == Mode::Lines { write_line(&text.to_string()) } else { Ok(()) }
    }

    /// Writes a JSON object; nothing in text mode.
    pub(super) fn event(&self, value: &Value) -> Result<()> {
        if self.mode == Mode::Events { write_line(&value.to_string()) } else { Ok(()) }
    }

    /// A progress bar in text mode at a terminal; elsewhere indicatif draws none.
    pub(super) fn bar(&self, length: u64, template: &str) -> ProgressBar {
        if self.mode != Mode::Lines {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stdout());
        bar.set_style(style.progress_chars("=> "));
        bar
    }
}

fn write_line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .map_err(|error| unwritable(&error))
}

fn unwritable(error: &std::io::Error) -> Error {
    let advice = "keep the output open until the end, or redirect it to a file";
    Error::new(Kind::Io, format!("cannot write to standard output: {error}"), advice)
}

/// Prints a warning to stderr.
pub(super) fn warn(text: impl std::fmt::Display) {
    // Ignore errors if stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "warning: {text}");
}

/// Prints an error to stderr: a line with the cause, a line with advice.
pub(super) fn complain(error: &Error) {
    let mut err = std::io::stderr().lock();
    // If stderr is closed too, only the exit code remains.
    let _ = writeln!(err, "error: {}\n  try: {}", error.cause(), error.advice());
}

/// Handles clap's early exits: prints help if requested, or converts an error to this crate's two lines.
pub(super) fn help_or_usage_error(said: &clap::Error) -> Result<()> {
    if !said.use_stderr() {
        return said.print().and_then(|()| std::io::stdout().flush()).map_err(|error| unwritable(&error));
    }
    if said.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // The full help on stderr; if that is closed, only the exit code remains.
        let _ = said.print();
        return Err(Error::new(Kind::Usage, "no command given", "choose one of the commands above"));
    }
    let text = said.render().to_string();
    let one_line = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split("\n\n").map(one_line);
    let cause = paragraphs.next().unwrap_or_default();
    let advice = paragraphs.map(|paragraph| match paragraph.split_once(": ") {
        Some(("tip", tip)) => tip.to_owned(),
        Some(("Usage", usage)) => format!("the usage is {usage}"),
        _ => "see --help".to_owned(),
    });
    let advice = advice.collect::<Vec<_>>().join("; ");
    Err(Error::new(Kind::Usage, cause.trim_start_matches("error: "), advice))
}
