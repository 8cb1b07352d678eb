//! What is done to a data set between loading it and training on it.

use super::{Amount, Dataset};
use crate::error::{Error, Kind, Result};
use crate::random::{Random, stream};

/// Which images of a data set to use, and for what. The default takes the set as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// The most training images to use, those for validation among them.
    pub train_limit: Option<usize>,
    /// The most test images to use.
    pub test_limit: Option<usize>,
    /// How many of the training images to set aside for validation.
    pub validation: Option<Amount>,
    /// Seed of all draws.
    pub seed: u64,
}

impl Preparation {
    /// Draws the images to train on, to validate with and to test on; each class keeps its share in all of them.
    ///
    /// # Errors
    /// Where nothing would be left to train on, to validate with or to test on.
    pub fn apply(&self, mut data: Dataset) -> Result<Dataset> {
        let random = |stream| Random::new(self.seed, stream);
        if self.train_limit == Some(0) || self.test_limit == Some(0) {
            return Err(Error::new(Kind::Usage, "a limit of 0 images", "give 1 or more, such as --test-limit 1000"));
        }
        if let Some(limit) = self.train_limit.filter(|limit| *limit < data.train.len()) {
            (data.train, _) = data.train.divide(limit, &mut random(stream::TRAIN_LIMIT));
        }
        if let Some(limit) = self.test_limit.filter(|limit| *limit < data.test.len()) {
            (data.test, _) = data.test.divide(limit, &mut random(stream::TEST_LIMIT));
        }
        if let Some(amount) = self.validation {
            let (count, images) = (amount.of(data.train.len()), data.train.len());
            if count == 0 || count >= images {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{amount} of {images} training images for validation would be {count}"),
                    "leave at least one image to train on and one to validate with, such as --validation 0.1",
                ));
            }
            let (validation, train) = data.train.divide(count, &mut random(stream::VALIDATION));
            (data.train, data.validation) = (train, Some(validation));
        }
        Ok(data)
    }
}
