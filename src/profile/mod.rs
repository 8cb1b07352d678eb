//! Where the time of a training step goes, and how near each dispatch comes to what the device can do.
//!
//! A [`Profile`] is the one model of what was measured; tables, page, trace and files are made of it and of nothing else.
//! Dispatches are timed by the device's clock where it has one that tells time, else by the host's, which is said.

mod blocks;
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

pub use compare::{Band, Change, Comparison, Verdict};
pub use report::{Clock, Least, Parts, Peaks, Profile, Rate, Resource, Roof, Row, Spread, Step, Submit};
pub use step::{Request, step};
pub use subject::Subject;
pub use sweep::{Job, Sweep, kernels, sweep_shaders, sweep_twins};

use crate::data::{CLASSES, Dataset, Split};
use crate::random::{Random, stream};

/// Images of noise with labels, of the size of MNIST's: what a step takes does not depend on what they show.
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

/// a / b, and 0 where that is no number.
fn over(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if ratio.is_finite() { ratio } else { 0.0 }
}
