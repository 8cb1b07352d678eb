//! A profile as a trace for Perfetto and Chrome's `about:tracing`.
//!
//! Google's "Trace Event Format": complete events (`ph: X`) with start `ts` and duration `dur` in microseconds, each on
//! a track `tid` of a process `pid`, and metadata events (`ph: M`) that name them.

use super::report::{Profile, Submit};
use super::timeline::lasts;
use serde_json::{Value, json};

/// The only process.
const PROCESS: u32 = 1;
/// Its tracks.
const HOST: u32 = 1;
const DEVICE: u32 = 2;

impl Profile {
    /// Every submission on the host, and every timed step and dispatch on the device.
    pub fn trace(&self) -> Value {
        let mut events = vec![
            name("process_name", None, &format!("{}, {}", self.title, self.device)),
            name("thread_name", Some(HOST), "host"),
            name("thread_name", Some(DEVICE), &format!("device, by {}", self.clock)),
        ];
        let rows = self.rows_of_step();
        let mut step = 0;
        for submit in &self.submits {
            host(&mut events, submit);
            device(&mut events, submit, &rows, &mut step);
        }
        json!({
            "displayTimeUnit": "ns",
            "otherData": {
                "program": self.program,
                "device": self.device,
                "profile": self.title,
                "clock": self.clock.to_string(),
                "clocks_apart_us": self.clocks_apart,
            },
            "traceEvents": events,
        })
    }

    /// The row of each dispatch of a step, in order.
    pub(super) fn rows_of_step(&self) -> Vec<&super::DispatchRow> {
        let mut places: Vec<_> =
            self.rows.iter().flat_map(|row| row.places.iter().map(move |place| (place, row))).collect();
        places.sort_by_key(|(place, _)| **place);
        places.into_iter().map(|(_, row)| row).collect()
    }
}

/// Host events of a submission.
fn host(events: &mut Vec<Value>, submit: &Submit) {
    let [begun, recorded, submitted, ended] = submit.host;
    let kind = if submit.dispatches.is_empty() { "as in training" } else { "each dispatch timed" };
    let about = json!({ "steps": submit.steps });
    events.push(complete(HOST, &format!("{} steps, {kind}", submit.steps), "submit", [begun, ended], &about));
    for (name, span) in [("record", [begun, recorded]), ("submit", [recorded, submitted]), ("wait", [submitted, ended])]
    {
        // The CPU path does not record or wait.
        if span[1] > span[0] {
            events.push(complete(HOST, name, "host", span, &Value::Null));
        }
    }
}

/// Device events of a submission; `step` counts all steps.
fn device(events: &mut Vec<Value>, submit: &Submit, rows: &[&super::DispatchRow], step: &mut usize) {
    if rows.is_empty() {
        return;
    }
    for spans in submit.dispatches.chunks_exact(rows.len()) {
        *step += 1;
        let whole = [spans[0][0], spans[spans.len() - 1][1]];
        events.push(complete(DEVICE, &format!("step {step}"), "step", whole, &Value::Null));
        for (row, span) in rows.iter().zip(spans) {
            let about = json!({ "kernel": row.kernel, "variant": row.variant, "shape": row.shape });
            events.push(complete(DEVICE, &row.label, "dispatch", *span, &about));
        }
    }
}

fn name(what: &str, track: Option<u32>, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": PROCESS, "tid": track.unwrap_or(0), "args": { "name": name } })
}

fn complete(track: u32, name: &str, category: &str, span: [f64; 2], about: &Value) -> Value {
    let mut event = json!({
        "ph": "X", "name": name, "cat": category, "pid": PROCESS, "tid": track, "ts": span[0], "dur": lasts(span),
    });
    if !about.is_null() {
        event["args"] = about.clone();
    }
    event
}
