//! The models to measure, and training images.

use shadegrad::data::{Dataset, Split};

/// The hidden layers of the models.
pub(crate) const MODELS: [&[usize]; 4] = [&[128], &[1024], &[1024, 1024], &[4096, 4096, 4096]];

/// Noise images in MNIST's number and size.
pub(crate) fn images() -> Dataset {
    let split = |count: usize| Split {
        rows: 28,
        columns: 28,
        images: (0..784 * count).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect(),
        labels: (0..count).map(|i| (i % 10) as u8).collect(),
    };
    Dataset { name: "noise".to_owned(), train: split(60_000), validation: Some(split(1)), test: split(10) }
}
