//! The self-contained page written by `shadegrad verify --html`.

use super::output::thousands;
use super::verify_table::ulps;
use crate::text::{date, escaped};
use crate::verify::{Failure, Report, Row, Verdict};
use std::fmt::Write as _;
use std::time::SystemTime;

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .15em .7em; border-bottom: 1px solid #8884 }
th { position: sticky; top: 0; background: Canvas }
td.n { text-align: right; font-variant-numeric: tabular-nums }
tr.FAIL td { background: #d003 }
tr.loose td, tr.not-run td { background: #da03 }
td { overflow-wrap: anywhere }";

/// The page: heading, summary and rows, worst first; `again` returns the command that reruns a failure.
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
        // Writing to a string cannot fail.
        let _ = writeln!(page, "<p>{}</p>", escaped(line));
    }
    page.push_str("<table>\n<tr><th>op<th>variant<th>cases<th>failed<th>worst error, of bound<th>ulp<th>verdict\n");
    for row in rows {
        let verdict = row.verdict.name();
        let remark = match &row.verdict {
            Verdict::Passed => String::new(),
            Verdict::Loose => format!(": {:.3} of the expected error", row.worst.soft),
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
