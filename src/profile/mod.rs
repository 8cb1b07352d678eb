//! Where the time of a training step goes, and how near each dispatch comes to what the device can do.
//!
//! A [`Profile`] is the one model of what was measured; tables, page, trace and files are made of it and of nothing else.
//! Dispatches are timed by the device's clock where it has one that tells time, else by the host's, which is said.

mod chart;
mod compare;
mod page;
pub mod peaks;
mod report;
mod roof;
mod step;
mod subject;
mod table;
mod timeline;
mod trace;

pub use compare::{Band, Change, Comparison, Verdict};
pub use report::{Clock, Parts, Peaks, Profile, Rate, Resource, Roof, Row, Spread, Step, Submit};
pub use step::{Request, step};
pub use subject::Subject;

/// a / b, and 0 where that is no number.
fn over(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if ratio.is_finite() { ratio } else { 0.0 }
}
