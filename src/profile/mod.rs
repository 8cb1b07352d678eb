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

pub use change::{Band, Change, Comparison, Verdict};
pub use report::{Clock, Least, Parts, Peaks, Profile, Rate, Resource, Roof, Row, Spread, Step, Submit};
pub use step::{Request, step};
pub use subject::Subject;
pub use sweep::{Job, Sweep, kernels, sweep_shaders, sweep_twins};

use crate::data::{CLASSES, Dataset, Split};
use crate::random::{Random, stream};

/// Labeled noise of MNIST's size; step times do not depend on the data.
pub fn noise(images: usize) -> Dataset {
    let mut random = Random::new(0, stream::CASES);
    let mut split = |images: usize| Split {
        rows: 28,
        columns: 28,
        images: (0..images * 28 * 28).map(|_| random.bits() as u8).collect(),
        labels: (0..images).map(|image| (image % CLASSES) as u8).collect(),
    };
    Dataset { name: "noise".to_owned(), train: split(images), validation: None, test: split(CLASSES) }
}

/// a / b, or 0 if undefined.
fn over(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if ratio.is_finite() { ratio } else { 0.0 }
}
