//! A profile as a self-contained HTML page.

use super::report::Profile;
use crate::text::escaped;
use std::fmt::Write as _;

const STYLE: &str = "\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; width: 100%; margin: 1em 0 }
th, td { text-align: left; padding: .15em .6em; border-bottom: 1px solid #8884 }
th { position: sticky; top: 0; background: Canvas }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
tr.ERROR td, tr.SLOWER td { background: #d003 }
dt { font-weight: 600; float: left; width: 6em; clear: left }
dd { margin-left: 6em; overflow-wrap: anywhere }
svg { width: 100%; font: 12px system-ui, sans-serif; fill: currentColor }
svg .grid { stroke: #8884 }
svg .roof { stroke: currentColor; stroke-width: 1.5; fill: none }
svg .roof.F16, svg .roof.Workgroup { stroke-dasharray: 5 4; stroke: #888 }
svg .point { fill: #2a78d6; fill-opacity: .75 }
svg .point.above { fill: #d22 }
svg .on { fill: #fff; pointer-events: none }
.c0 { fill: #2a6fb8 } .c1 { fill: #3b8a5a } .c2 { fill: #a0602a } .c3 { fill: #7a4fa8 } .c4 { fill: #a83a5c } .c5 { fill: #556677 }";

impl Profile {
    /// Summary, roofline chart, timeline and tables as HTML.
    pub fn html(&self) -> String {
        let title = escaped(&format!("shadegrad profile: {}", self.title));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<style>\n{STYLE}\n</style>\n\
             <h1>shadegrad profile</h1>\n<dl>\n"
        );
        for (head, line) in self.summary() {
            let _ = writeln!(page, "<dt>{head}<dd>{}", escaped(&line));
        }
        page.push_str("</dl>\n<h2>Roofline</h2>\n");
        page.push_str(&self.roofline());
        let silent = self.rows.iter().filter(|row| row.flops == 0).count();
        if silent > 0 {
            let _ = writeln!(page, "<p>{silent} rows without arithmetic appear only in the table.</p>");
        }
        let strip = self.strip();
        if !strip.is_empty() {
            let _ = write!(page, "<h2>Timeline</h2>\n{strip}");
        }
        page.push_str("<h2>Dispatches</h2>\n");
        page.push_str(&table(&self.cells()));
        if let Some(comparison) = &self.comparison {
            let _ = write!(page, "<h2>Comparison</h2>\n{}", table(&comparison.cells()));
        }
        page.push_str("</html>\n");
        page
    }
}

/// Header and rows; a row is marked with the first cell that ends in a word in capitals.
fn table(rows: &[Vec<String>]) -> String {
    let mut html = String::from("<table>\n");
    for (number, row) in rows.iter().enumerate() {
        let class = row.last().and_then(|cell| ["ERROR", "SLOWER"].into_iter().find(|word| cell.ends_with(word)));
        let _ = write!(html, "<tr{}>", class.map_or(String::new(), |class| format!(" class=\"{class}\"")));
        for cell in row {
            let tag = match cell.chars().next() {
                _ if number == 0 => "<th>",
                Some('0'..='9' | '-') => "<td class=\"n\">",
                _ => "<td>",
            };
            let _ = write!(html, "{tag}{}", escaped(cell));
        }
        html.push('\n');
    }
    html.push_str("</table>\n");
    html
}
