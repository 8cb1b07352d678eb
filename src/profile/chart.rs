//! Drawings of a profile, as inline SVG: the roofline chart, and what happens when.

use super::report::{Profile, Rate, Resource, Row};
use super::table::percent;
use crate::text::{digits, escaped};
use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
/// Left, top, right and bottom of where something is drawn.
const FRAME: [f64; 4] = [70.0, 20.0, 940.0, 420.0];

/// A scale by decades.
struct Scale {
    /// Exponents of ten of both ends.
    from: f64,
    to: f64,
    /// Where they are drawn.
    at: [f64; 2],
}

impl Scale {
    /// One that shows all of these numbers, in whole decades.
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

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.from as i32..=self.to as i32).map(|exponent| 10f64.powi(exponent))
    }
}

impl Profile {
    /// Rows by their arithmetic intensity and rate, under the roofs that the device has.
    pub(super) fn roofline(&self) -> String {
        let [left, top, right, bottom] = FRAME;
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.gflops > 0.0).collect();
        let peak = self.peaks.rates.iter().filter(|rate| is_arithmetic(rate)).map(|rate| rate.best);
        let ridge = 100.0; // so that there is a flat piece of the roof to see
        let x = Scale::over(rows.iter().map(|row| row.intensity).chain([0.1, ridge]), [left, right]);
        let y = Scale::over(rows.iter().map(|row| row.gflops).chain(peak), [bottom, top]);
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} 470\" role=\"img\" aria-label=\"roofline\">\n");
        for number in x.decades() {
            let at = x.place(number);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                digits(number)
            );
        }
        for number in y.decades() {
            let at = y.place(number);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                left - 6.0,
                at + 4.0,
                digits(number)
            );
        }
        let _ = writeln!(svg, "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">FLOP a byte</text>", bottom + 38.0);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"14\">GFLOP/s</text>", left - 60.0);
        for rate in &self.peaks.rates {
            svg.push_str(&self.roof_line(rate, &x, &y));
        }
        for row in rows {
            let class = if row.is_above_roof() { "point above" } else { "point" };
            let (cx, cy) = (x.place(row.intensity), y.place(row.gflops));
            let _ = writeln!(
                svg,
                "<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{:.1}\"><title>{}</title></circle>",
                // Its area is its share of the step.
                4.0 + 16.0 * row.share.unwrap_or(0.0).clamp(0.0, 1.0).sqrt(),
                escaped(&told(row))
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// A peak of arithmetic as a level, one of memory as a slope that ends where arithmetic is the limit.
    fn roof_line(&self, rate: &Rate, x: &Scale, y: &Scale) -> String {
        let [left, top, right, bottom] = FRAME;
        let flat = self.peaks.arithmetic().map_or(f64::INFINITY, |rate| rate.best);
        let title = format!("{} {} {}", rate.name(), digits(rate.best), rate.unit());
        let (path, at) = if is_arithmetic(rate) {
            let height = y.place(rate.best);
            (format!("M{left} {height:.1}H{right}"), [right - 4.0, height - 5.0])
        } else {
            // From where it enters the frame to where it meets the flat roof.
            let enters = 10f64.powf(x.from).max(10f64.powf(y.from) / rate.best);
            let leaves = (flat.min(10f64.powf(y.to)) / rate.best).min(10f64.powf(x.to));
            let [[ax, ay], [bx, by]] = [enters, leaves].map(|at| [x.place(at), y.place(at * rate.best)]);
            if !(ax < bx && (top..=bottom).contains(&ay.min(bottom))) {
                return String::new();
            }
            (format!("M{ax:.1} {ay:.1}L{bx:.1} {by:.1}"), [bx - 4.0, by - 5.0])
        };
        format!(
            "<path class=\"roof {:?}\" d=\"{path}\"><title>{}</title></path><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>\n",
            rate.resource,
            escaped(&title),
            at[0],
            at[1].max(top + 10.0),
            escaped(&rate.name())
        )
    }

    /// One step on the device, of usual length, with the gaps in it; below, the submit that it is of on the host.
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
        let _ = writeln!(svg, "<text x=\"0\" y=\"14\">a step on the device, {} us</text>", digits(whole));
        for (number, (row, [begin, end])) in rows.iter().zip(*step).enumerate() {
            let title = format!("{}, {} us here; median {}", row.label, digits(end - begin), told(row));
            bar(&mut svg, [begin - from, end - from], whole, 24.0, number % 6, &row.label, &title);
        }
        let [begun, recorded, submitted, ended] = submit.host;
        let total = ended - begun;
        let line =
            format!("its submit of {} steps, {} us: the device above, the host below", submit.steps, digits(total));
        let _ = writeln!(svg, "<text x=\"0\" y=\"94\">{}</text>", escaped(&line));
        for (number, step) in submit.dispatches.chunks_exact(rows.len()).enumerate() {
            let span = [step[0][0] - begun, step[step.len() - 1][1] - begun];
            bar(&mut svg, span, total, 104.0, number % 2, "", &format!("step {}", number + 1));
        }
        let host = [("record", [begun, recorded]), ("submit", [recorded, submitted]), ("wait", [submitted, ended])];
        for (number, (name, span)) in host.into_iter().enumerate() {
            let title = format!("{name} {} us", digits(span[1] - span[0]));
            bar(&mut svg, span.map(|time| time - begun), total, 146.0, 3 + number, name, &title);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// A bar from one time to another of `whole`, with its name where there is room.
fn bar(svg: &mut String, [from, to]: [f64; 2], whole: f64, top: f64, colour: usize, name: &str, title: &str) {
    let scale = |time: f64| time / whole.max(1e-9) * WIDTH;
    let (x, width) = (scale(from), scale(to - from));
    let _ = writeln!(
        svg,
        "<rect class=\"c{colour}\" x=\"{x:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"34\"><title>{}</title></rect>",
        escaped(title)
    );
    if width > 7.0 * name.chars().count() as f64 && !name.is_empty() {
        let _ =
            writeln!(svg, "<text class=\"on\" x=\"{:.2}\" y=\"{:.1}\">{}</text>", x + 4.0, top + 21.0, escaped(name));
    }
}

/// A row in a line.
fn told(row: &Row) -> String {
    let roof = row.roof.as_ref().map_or(String::new(), |roof| format!(", {} of {}", percent(roof.share), roof.name));
    let (time, rate) = (digits(row.time.median), digits(row.gflops));
    format!("{} ({} {} {}): {time} us, {rate} GFLOP/s{roof}", row.label, row.kernel, row.variant, row.shape)
}

fn is_arithmetic(rate: &Rate) -> bool {
    matches!(rate.resource, Resource::F32 | Resource::F16)
}
