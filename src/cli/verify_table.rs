//! Progress of `shadegrad verify`: rows as they are finished, and at a terminal a progress bar below.

use super::output::{Output, thousands};
use crate::error::Result;
use crate::verify::{Event, Row, Verdict};
use console::style;
use indicatif::ProgressBar;
use std::time::Duration;

/// The rows so far, and the current progress.
pub(super) struct Table<'a> {
    output: &'a Output,
    bar: ProgressBar,
    now: &'static str,
    cases: usize,
    failed: usize,
}

impl<'a> Table<'a> {
    /// An empty table.
    pub(super) fn new(output: &'a Output) -> Result<Self> {
        let bar = output.bar(0, "[{bar:20}] {pos} of {len}  {elapsed}  {msg}");
        bar.enable_steady_tick(Duration::from_millis(200));
        let table = Self { output, bar, now: "", cases: 0, failed: 0 };
        table.line(&format!("{:30} {:26} {:>8} {:>8} {:>7}  verdict", "op", "variant", "cases", "of bound", "ulp"))?;
        Ok(table)
    }

    /// Shows an event.
    pub(super) fn tell(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Cases(op, cases) => {
                self.now = op;
                self.cases += cases;
            }
            Event::Jobs(done, all) => {
                self.bar.set_length(all as u64);
                self.bar.set_position(done as u64);
            }
            Event::Row(row) => {
                self.failed += usize::from(matches!(row.verdict, Verdict::Failed(_)));
                self.line(&line(row))?;
            }
        }
        let (cases, failed, now) = (thousands(self.cases as u64), self.failed, self.now);
        self.bar.set_message(format!("{cases} cases, {failed} failed  {now}"));
        Ok(())
    }

    /// Removes the progress bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints a line, above the bar at a terminal.
    fn line(&self, text: &str) -> Result<()> {
        if self.bar.is_hidden() {
            return self.output.line(text);
        }
        self.bar.println(text);
        Ok(())
    }
}

/// A row as text.
fn line(row: &Row) -> String {
    let worst = row.worst;
    let share = if worst.cases == 0 { "-".to_owned() } else { format!("{:.3}", worst.hard) };
    let verdict = match &row.verdict {
        Verdict::Passed => style(row.verdict.name()).green().to_string(),
        Verdict::Loose => format!("{}: {:.3} of the expected error", style(row.verdict.name()).yellow(), worst.soft),
        Verdict::Failed(_) => format!("{}: {} cases", style(row.verdict.name()).red().bold(), row.failed),
        Verdict::NotRun(reason) => format!("{}: {reason}", style(row.verdict.name()).yellow()),
    };
    let (cases, ulps) = (thousands(worst.cases as u64), ulps(row));
    format!("{:30} {:26} {cases:>8} {share:>8} {ulps:>7}  {verdict}", row.op, row.variant)
}

/// The worst error in ULPs, if meaningful.
pub(super) fn ulps(row: &Row) -> String {
    let ulps = row.worst.ulps.filter(|_| row.worst.cases > 0);
    ulps.map_or("-".to_owned(), |ulps| if ulps == 0.0 { "0".to_owned() } else { format!("{ulps:.2}") })
}
