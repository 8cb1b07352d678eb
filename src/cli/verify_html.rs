//! The page that `shadegrad verify --html` writes: one file that needs no other, and no network.

use super::output::thousands;
use super::verify_table::ulps;
use crate::verify::{Failure, Report, Row, Verdict};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .15em .7em; border-bottom: 1px solid #8884 }
th { position: sticky; top: 0; background: Canvas }
td.n { text-align: right; font-variant-numeric: tabular-nums }
tr.FAIL td { background: #d003 }
tr.loose td, tr.not-run td { background: #da03 }
td { overflow-wrap: anywhere }";

/// The page: heading, summary and the rows, the worst first; `again` gives the command that does a failure again.
pub(super) fn page(heading: &str, summary: &[String], report: &Report, again: impl Fn(&Failure) -> String) -> String {
    let mut rows: Vec<&Row> = report.rows.iter().collect();
    rows.sort_by(|a, b| a.worst_first(b));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>shadegrad verify</title>\n\
         <style>\n{STYLE}\n</style>\n<h1>shadegrad verify</h1>\n<p>{}</p>\n<p>{}, shadegrad {}</p>\n",
        escaped(heading),
        date(SystemTime::now()),
        env!("CARGO_PKG_VERSION"),
    );
    for line in summary {
        // Writing to a string does not fail.
        let _ = writeln!(page, "<p>{}</p>", escaped(line));
    }
    page.push_str("<table>\n<tr><th>op<th>variant<th>cases<th>failed<th>worst error, of bound<th>ulp<th>verdict\n");
    for row in rows {
        let verdict = row.verdict.name();
        let remark = match &row.verdict {
            Verdict::Passed => String::new(),
            Verdict::Loose => format!(": {:.3} of the soft gate", row.worst.soft),
            Verdict::NotRun(reason) => format!(": {}", escaped(reason)),
            Verdict::Failed(failure) => {
                format!(": {}<br><code>{}</code>", escaped(&failure.to_string()), escaped(&again(failure)))
            }
        };
        let _ = writeln!(
            page,
            "<tr class=\"{}\"><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{:.4}<td class=\"n\">{}\
             <td>{verdict}{remark}",
            verdict.replace(' ', "-"),
            escaped(row.op),
            escaped(&row.variant),
            thousands(row.worst.cases as u64),
            row.failed,
            row.worst.hard,
            ulps(row),
        );
    }
    page.push_str("</table>\n</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A time as its date and minute in UTC.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ([year, month, day], minutes) = (civil(seconds / 86_400), seconds / 60 % 1440);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// Year, month and day of a day since 1970-01-01: Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`. Years begin in March there, so that a leap day is a year's last.
fn civil(days: u64) -> [u64; 3] {
    let days = days + 719_468; // since 0000-03-01
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    [400 * era + year + next, month, day]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let days = [0, 59, 11_016, 11_017, 20_780, 47_540];
        let dates = [[1970, 1, 1], [1970, 3, 1], [2000, 2, 29], [2000, 3, 1], [2026, 11, 23], [2100, 2, 28]];
        assert_eq!(days.map(civil), dates);
    }
}
