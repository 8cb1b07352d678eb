//! A profile as tables: for the terminal, Markdown and CSV.

use super::change::{Band, Comparison, KernelChange};
use super::report::{DispatchRow, Peaks, Profile, ProfiledStep, Spread};
use crate::text::{columns, date, significant, thousands};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// The headers of [`cells`].
pub(super) const HEADS: [&str; 13] = [
    "#",
    "dispatch",
    "kernel",
    "variant",
    "shape",
    "calls",
    "us",
    "quartiles",
    "share",
    "GFLOP/s",
    "GB/s",
    "FLOP/B",
    "of roof",
];
/// The headers of a comparison's rows.
pub(super) const CHANGE_HEADS: [&str; 5] = ["what", "us then", "us now", "ratio", "verdict"];

/// The CSV columns, as JSON pointers into a row.
const FIELDS: [&str; 21] = [
    "/places/0",
    "/label",
    "/kernel",
    "/variant",
    "/shape",
    "/calls",
    "/time/median",
    "/time/low",
    "/time/high",
    "/share",
    "/flops",
    "/bytes",
    "/gflops",
    "/gbs",
    "/intensity",
    "/roof/name",
    "/roof/least",
    "/roof/share",
    "/roof/most",
    "/error",
    "/chosen",
];

impl Profile {
    /// Summary and tables for the terminal.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (head, line) in self.summary() {
            let _ = writeln!(text, "{head:<8}{line}");
        }
        let _ = write!(text, "\n{}", columns(&self.cells()));
        if let Some(comparison) = &self.comparison {
            let _ = write!(text, "\n{}", columns(&comparison.cells()));
        }
        text
    }

    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.title);
        for (head, line) in self.summary().into_iter().filter(|(head, _)| *head != "profile") {
            let _ = writeln!(text, "- {head}: {line}");
        }
        let mut table = |rows: &[Vec<String>]| {
            text.push('\n');
            for (number, row) in rows.iter().enumerate() {
                let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                let _ = writeln!(text, "| {} |", cells.join(" | "));
                if number == 0 {
                    let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
                }
            }
        };
        table(&self.cells());
        if let Some(comparison) = &self.comparison {
            table(&comparison.cells());
        }
        text
    }

    /// All rows as CSV in full precision; times in microseconds.
    pub fn csv(&self) -> String {
        let names: Vec<_> = FIELDS.iter().map(|field| field[1..].replace('/', "_")).collect();
        let mut text = names.join(",") + "\n";
        for row in &self.rows {
            let row = serde_json::to_value(row).unwrap_or_default();
            let cell = |field: &&str| match row.pointer(field) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) if text.contains([',', '"', '\n']) => {
                    format!("\"{}\"", text.replace('"', "\"\""))
                }
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
            };
            text += &(FIELDS.iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
        }
        text
    }

    /// Label and text of everything outside the tables.
    pub(super) fn summary(&self) -> Vec<(&'static str, String)> {
        let taken = UNIX_EPOCH + Duration::from_secs(self.taken);
        let mut lines = vec![
            ("device", self.device.clone()),
            ("profile", self.title.clone()),
            ("taken", format!("{}, by {}", date(taken), self.program)),
            ("clock", self.clock.to_string()),
            ("peaks", self.peaks.rates_line()),
        ];
        lines.extend(self.peaks.latencies_line().map(|line| ("latency", line)));
        if let Some(step) = &self.step {
            lines.extend(step.lines());
        }
        for row in self.above_roof() {
            let Some(roof) = &row.roof else { continue };
            let [reached, most] = [roof.share, roof.most].map(percent);
            let what = format!("{} ({}) reached {reached} of its roof, {}", row.label, row.kernel, roof.name);
            let why = format!("beyond the {most} that the spread of the peak allows");
            lines.push(("ERROR", format!("{what}, {why}: a measurement error, not a speed-up")));
        }
        if self.step.is_none() {
            lines.push(("* marks", "the variant training uses on this device".to_owned()));
        }
        lines.extend(self.notes.iter().map(|note| ("note", note.clone())));
        if let Some(comparison) = &self.comparison {
            lines.extend(comparison.lines());
        }
        lines
    }

    /// Headers and rows, a step's in order.
    pub(super) fn cells(&self) -> Vec<Vec<String>> {
        let mut heads = HEADS.map(str::to_owned).to_vec();
        let tested = self.rows.iter().any(|row| row.error.is_some());
        if tested {
            heads.push("of bound".to_owned());
        }
        heads.push("roof".to_owned());
        let mut table = vec![heads];
        table.extend(self.rows.iter().map(|row| cells(row, tested)));
        table
    }
}

/// A row for display; with its error if any row was `tested`.
fn cells(row: &DispatchRow, tested: bool) -> Vec<String> {
    let none = || "-".to_owned();
    let (share, roof) = match &row.roof {
        Some(roof) => (percent(roof.share), roof.name.clone()),
        None => (none(), none()),
    };
    let mut cells = vec![
        row.places.first().map_or_else(none, usize::to_string),
        row.label.clone(),
        row.kernel.clone(),
        if row.share.is_none() && row.chosen { format!("{} *", row.variant) } else { row.variant.clone() },
        if row.shape.is_empty() { none() } else { row.shape.clone() },
        thousands(row.calls as u64),
        significant(row.time.median),
        quartiles(row.time),
        row.share.map_or_else(none, percent),
        significant(row.gflops),
        significant(row.gbs),
        significant(row.intensity),
        share,
    ];
    if tested {
        cells.push(row.error.map_or_else(none, significant));
    }
    cells.push(if row.is_above_roof() { format!("{roof}: ERROR") } else { roof });
    cells
}

impl Peaks {
    /// Arithmetic and memory rates.
    fn rates_line(&self) -> String {
        let rate = |rate: &super::Rate| format!("{} {} {}", rate.name(), significant(rate.best), rate.unit());
        self.rates.iter().map(rate).collect::<Vec<_>>().join("; ")
    }

    /// Latencies of dispatch, submission and readback, if measured.
    fn latencies_line(&self) -> Option<String> {
        let named = [("dispatch", self.dispatch), ("submit", self.submit), ("readback", self.readback)];
        let told = named.iter().filter_map(|(name, spread)| spread.map(|spread| format!("{name} {}", time(spread))));
        let least = self.least_dispatch.as_ref().map(|least| {
            format!("minimum timed dispatch {} us ({})", significant(least.best), quartiles(least.spread))
        });
        Some(told.chain(least).collect::<Vec<_>>().join("; ")).filter(|line| !line.is_empty())
    }
}

impl ProfiledStep {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let rate = thousands((self.batch as f64 * 1e6 / self.wall.median.max(1e-3)) as u64);
        let parts = self.parts;
        let of_step = |part: f64| format!("{} us ({})", significant(part), percent(super::over(part, parts.total())));
        vec![
            (
                "step",
                format!("{} as in training, {rate} samples/s; {} per submission", time(self.wall), self.per_submit),
            ),
            (
                "timed",
                format!(
                    "{} with each dispatch timed, overhead {} ({} to {}); {} steps",
                    time(self.timed),
                    percent(self.timing_cost.median),
                    percent(self.timing_cost.low),
                    percent(self.timing_cost.high),
                    thousands(self.steps as u64)
                ),
            ),
            (
                "parts",
                format!(
                    "dispatches {}, gaps {}, host {}: covers {} of the timed step; idle {}",
                    of_step(parts.dispatches),
                    of_step(parts.gaps),
                    of_step(parts.host),
                    percent(parts.accounted()),
                    of_step(parts.waiting)
                ),
            ),
        ]
    }
}

impl Comparison {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("against", self.with.clone())];
        lines.extend(self.caveats.iter().map(|caveat| ("caution", caveat.clone())));
        let slower: Vec<_> = self.slower().map(|change| format!("{} {}", change.name, ratio(change))).collect();
        lines.push(("slower", if slower.is_empty() { "none beyond noise".to_owned() } else { slower.join("; ") }));
        lines
    }

    /// Headers and rows.
    pub(super) fn cells(&self) -> Vec<Vec<String>> {
        let mut table = vec![CHANGE_HEADS.map(str::to_owned).to_vec()];
        table.extend(self.changes.iter().map(|change| {
            let KernelChange { name, before, after, verdict } = change;
            vec![name.clone(), band(*before), band(*after), ratio(change), verdict.to_string()]
        }));
        table
    }
}

/// A time in microseconds with its quartiles.
fn time(spread: Spread) -> String {
    format!("{} us ({})", significant(spread.median), quartiles(spread))
}

fn quartiles(spread: Spread) -> String {
    format!("{} to {}", significant(spread.low), significant(spread.high))
}

fn band(band: Option<Band>) -> String {
    let told = |band: Band| {
        format!("{} ({} to {})", significant(band.median), significant(band.least), significant(band.most))
    };
    band.map_or_else(|| "-".to_owned(), told)
}

fn ratio(change: &KernelChange) -> String {
    change.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("x{ratio:.2}"))
}

/// A fraction as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
