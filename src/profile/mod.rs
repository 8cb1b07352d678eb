//! Profiles a training step against the device's measured peaks.
//!
//! A [`Profile`] is the single data model from which tables, page, trace and files are generated. Dispatches are timed
//! by device timestamps, or by the host clock if the device has none (reported).

mod blocks;
mod change;
mod chart;
mod compare;
mod page;
pub mod peaks;
mod report;
mod roof;
mod step;
mod subject;
mod sweep;
mod table;
mod timeline;
mod trace;

pub use change::{Band, ChangeVerdict, Comparison, KernelChange};
pub use report::{
    Clock, DispatchRow, Least, Parts, Peaks, Profile, ProfiledStep, Rate, Resource, Roof, Spread, Submit,
};
pub use step::{Request, step};
pub use subject::Subject;
pub use sweep::{Sweep, SweepJob, kernels, sweep_shaders, sweep_twins};

use crate::data::{Dataset, Field, FieldValues, Provenance, Split, Task};
use crate::random::{Random, stream};

/// Labeled noise of MNIST's size; step times do not depend on the data.
pub fn noise(items: usize) -> Dataset {
    const CLASSES: usize = 10;
    let mut random = Random::new(0, stream::CASES);
    let mut split = |items: usize| {
        let noise = (0..items * 28 * 28).map(|_| random.bits() as u8).collect();
        let classes = (0..items).map(|item| (item % CLASSES) as u8).collect();
        let inputs = Field::new("noise", [28, 28], FieldValues::U8(noise))?;
        Split::new(vec![inputs], Field::new("classes", [], FieldValues::U8(classes))?)
    };
    let source = Provenance { format: "generated", place: "noise".to_owned() };
    let data = split(items).and_then(|train| Dataset::new("noise", Task::classify(CLASSES), train, source));
    data.and_then(|data| data.with_test(split(CLASSES)?)).expect("all items are of one size, and have a class")
}

/// a / b, or 0 if undefined.
fn over(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if ratio.is_finite() { ratio } else { 0.0 }
}
