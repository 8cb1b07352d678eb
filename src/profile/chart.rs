//! Charts of a profile as inline SVG: the roofline and the timeline.

use super::report::{DispatchRow, Profile, Rate, Resource};
use super::table::percent;
use crate::text::{escaped, significant};
use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
/// Left, top, right and bottom of the plot area.
const FRAME: [f64; 4] = [70.0, 20.0, 940.0, 420.0];

/// A logarithmic axis.
struct Scale {
    /// Powers of ten at both ends.
    from: f64,
    to: f64,
    /// Their positions.
    at: [f64; 2],
}

impl Scale {
    /// An axis covering all positive values, in whole decades.
    fn over(numbers: impl Iterator<Item = f64>, at: [f64; 2]) -> Self {
        let logs: Vec<f64> = numbers.filter(|x| *x > 0.0).map(f64::log10).collect();
        let from = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let to = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        let (from, to) = if from < to { (from, to) } else { (-1.0, 1.0) };
        Self { from, to, at }
    }

    fn place(&self, number: f64) -> f64 {
        let share = (number.log10() - self.from) / (self.to - self.from);
        self.at[0] + share * (self.at[1] - self.at[0])
    }

    /// Position and label of each power of ten.
    fn decades(&self) -> impl Iterator<Item = (f64, String)> {
        let told = |exponent: i32| format!("{:.places$}", 10f64.powi(exponent), places = (-exponent).max(0) as usize);
        (self.from as i32..=self.to as i32).map(move |exponent| (self.place(10f64.powi(exponent)), told(exponent)))
    }
}

impl Profile {
    /// Rows by arithmetic intensity and rate, under the device's roofs.
    pub(super) fn roofline(&self) -> String {
        let [left, top, right, bottom] = FRAME;
        let rows: Vec<&DispatchRow> = self.rows.iter().filter(|row| row.gflops > 0.0).collect();
        let highest = self.peaks.arithmetic().map_or(1.0, |rate| rate.best);
        let ridge = 100.0; // shows some of the flat part of the roof
        let x = Scale::over(rows.iter().map(|row| row.intensity).chain([0.1, ridge]), [left, right]);
        // Rows with hardly any arithmetic lie on the bottom edge.
        let lowest = highest * 1e-5;
        let y = Scale::over(rows.iter().map(|row| row.gflops.max(lowest)).chain([highest]), [bottom, top]);
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} 470\" role=\"img\" aria-label=\"roofline\">\n");
        for (at, number) in x.decades() {
            let line = format!("<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/>");
            let below = bottom + 18.0;
            let _ = writeln!(svg, "{line}<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{number}</text>");
        }
        for (at, number) in y.decades() {
            let line = format!("<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>");
            let (before, at) = (left - 6.0, at + 4.0);
            let _ = writeln!(svg, "{line}<text x=\"{before}\" y=\"{at:.1}\" text-anchor=\"end\">{number}</text>");
        }
        let _ = writeln!(svg, "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">FLOP/byte</text>", bottom + 38.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"14\">GFLOP/s</text>", left - 60.0);
        for (number, rate) in self.drawn_roofs().into_iter().enumerate() {
            svg.push_str(&self.roof_line(rate, number, &x, &y));
        }
        for row in rows {
            let class = if row.is_above_roof() { "point above" } else { "point" };
            let (cx, cy) = (x.place(row.intensity), y.place(row.gflops.max(lowest)));
            let _ = writeln!(
                svg,
                "<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{:.1}\"><title>{}</title></circle>",
                // Area is proportional to the share of the step.
                4.0 + 16.0 * row.share.unwrap_or(0.0).clamp(0.0, 1.0).sqrt(),
                escaped(&told(row))
            );
            if row.share.unwrap_or(0.0) > 0.05 {
                let (at, anchor) = if cx > right - 120.0 { (cx - 18.0, "end") } else { (cx + 18.0, "start") };
                let (at_y, label) = (cy + 4.0, escaped(&row.label));
                let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{at_y:.1}\" text-anchor=\"{anchor}\">{label}</text>");
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// The roofs to draw: arithmetic, workgroup memory, the fastest memory, and memory at the largest size.
    fn drawn_roofs(&self) -> Vec<&Rate> {
        let rates = &self.peaks.rates;
        let mut drawn: Vec<&Rate> = rates.iter().filter(|rate| rate.bytes.is_none()).collect();
        drawn.extend(self.peaks.memory(u64::MAX));
        drawn.extend(self.peaks.memory(0));
        drawn.dedup();
        drawn
    }

    /// An arithmetic peak is horizontal; a memory peak slopes up to the arithmetic limit.
    fn roof_line(&self, rate: &Rate, number: usize, x: &Scale, y: &Scale) -> String {
        let [left, top, right, bottom] = FRAME;
        let title = format!("{} {} {}", rate.name(), significant(rate.best), rate.unit());
        let (path, at, anchor) = if is_arithmetic(rate) {
            let height = y.place(rate.best);
            if !(top..=bottom).contains(&height) {
                return String::new();
            }
            (format!("M{left} {height:.1}H{right}"), [right - 4.0, height - 5.0], "end")
        } else {
            // From the frame's edge to the ridge point.
            let level = self.peaks.arithmetic().map_or(f64::INFINITY, |rate| rate.best).min(10f64.powf(y.to));
            let enters = 10f64.powf(x.from).max(10f64.powf(y.from) / rate.best);
            let leaves = (level / rate.best).min(10f64.powf(x.to));
            if !(enters < leaves && rate.best > 0.0) {
                return String::new();
            }
            let place = |intensity: f64| [x.place(intensity), y.place(intensity * rate.best)];
            let [[ax, ay], [bx, by]] = [enters, leaves].map(place);
            // Spread labels along the slopes so they do not overlap.
            let share = 0.08 + 0.12 * number as f64;
            (
                format!("M{ax:.1} {ay:.1}L{bx:.1} {by:.1}"),
                [ax + share * (bx - ax), ay + share * (by - ay) - 6.0],
                "middle",
            )
        };
        let [at_x, at_y] = at;
        format!(
            "<path class=\"roof {:?}\" d=\"{path}\"><title>{}</title></path>\
             <text x=\"{at_x:.1}\" y=\"{at_y:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
            rate.resource,
            escaped(&title),
            escaped(&rate.name())
        )
    }

    /// A step of median duration on the device, with its gaps; below it, its host-side submission.
    pub(super) fn strip(&self) -> String {
        let rows = self.rows_of_step();
        let timed = self.submits.iter().filter(|submit| !submit.dispatches.is_empty());
        let steps =
            timed.flat_map(|submit| submit.dispatches.chunks_exact(rows.len().max(1)).map(move |step| (submit, step)));
        let mut steps: Vec<_> = steps.collect();
        let length = |step: &[[f64; 2]]| step[step.len() - 1][1] - step[0][0];
        steps.sort_by(|a, b| length(a.1).total_cmp(&length(b.1)));
        let Some((submit, step)) = steps.get(steps.len() / 2) else { return String::new() };
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} 190\" role=\"img\" aria-label=\"timeline\">\n");
        let (from, whole) = (step[0][0], length(step));
        let _ = writeln!(svg, "<text x=\"0\" y=\"14\">one step on the device, {} us</text>", significant(whole));
        for (number, (row, [begin, end])) in rows.iter().zip(*step).enumerate() {
            let title = format!("{}, {} us here; median {}", row.label, significant(end - begin), told(row));
            bar(&mut svg, [begin - from, end - from], whole, 24.0, number % 6, &row.label, &title);
        }
        let [begun, recorded, submitted, ended] = submit.host;
        let total = ended - begun;
        let line =
            format!("submission of {} steps, {} us: device (top), host (bottom)", submit.steps, significant(total));
        let _ = writeln!(svg, "<text x=\"0\" y=\"94\">{}</text>", escaped(&line));
        for (number, step) in submit.dispatches.chunks_exact(rows.len()).enumerate() {
            let span = [step[0][0] - begun, step[step.len() - 1][1] - begun];
            bar(&mut svg, span, total, 104.0, number % 2, "", &format!("step {}", number + 1));
        }
        let host = [("record", [begun, recorded]), ("submit", [recorded, submitted]), ("wait", [submitted, ended])];
        for (number, (name, span)) in host.into_iter().enumerate() {
            let title = format!("{name} {} us", significant(span[1] - span[0]));
            bar(&mut svg, span.map(|time| time - begun), total, 146.0, 3 + number, name, &title);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A bar for a time span out of `whole`, labeled if the name fits.
fn bar(svg: &mut String, [from, to]: [f64; 2], whole: f64, top: f64, color: usize, name: &str, title: &str) {
    let scale = |time: f64| time / whole.max(1e-9) * WIDTH;
    let (x, width) = (scale(from), scale(to - from));
    let _ = writeln!(
        svg,
        "<rect class=\"c{color}\" x=\"{x:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"34\"><title>{}</title></rect>",
        escaped(title)
    );
    if width > 7.0 * name.chars().count() as f64 && !name.is_empty() {
        let _ =
            writeln!(svg, "<text class=\"on\" x=\"{:.2}\" y=\"{:.1}\">{}</text>", x + 4.0, top + 21.0, escaped(name));
    }
}

/// One-line description of a row.
fn told(row: &DispatchRow) -> String {
    let roof = row.roof.as_ref().map_or(String::new(), |roof| format!(", {} of {}", percent(roof.share), roof.name));
    let (time, rate) = (significant(row.time.median), significant(row.gflops));
    format!("{} ({} {} {}): {time} us, {rate} GFLOP/s{roof}", row.label, row.kernel, row.variant, row.shape)
}

fn is_arithmetic(rate: &Rate) -> bool {
    matches!(rate.resource, Resource::F32 | Resource::F16)
}
