//! The models to measure, and training images.

use shadegrad::data::{Dataset, Provenance, Split, Task};

/// The hidden layers of the models.
pub(crate) const MODELS: [&[usize]; 4] = [&[128], &[1024], &[1024, 1024], &[4096, 4096, 4096]];

/// Noise images in MNIST's number and size.
pub(crate) fn images() -> Dataset {
    let split = |count: usize| {
        let images = (0..784 * count).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        Split::of_images([28, 28], images, (0..count).map(|i| (i % 10) as u8).collect()).expect("an image per label")
    };
    let source = Provenance { format: "generated", place: "noise".to_owned() };
    let data = Dataset::new("noise", Task::classify(10), split(60_000), source);
    let data = data.and_then(|data| data.with_test(split(10))?.with_validation(split(1)));
    data.expect("the parts go together")
}
