//! What is done to a data set between loading it and training on it.

use super::{Amount, Dataset, Flaw, check};
use crate::error::{Error, Kind, Result};
use crate::random::{Random, stream};

/// Which images of a data set to use, and for what. The default takes the set as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// Training images with any of these flaws are left out.
    pub drop: Vec<Flaw>,
    /// The most training images to use, those for validation among them.
    pub train_limit: Option<usize>,
    /// The most test images to use.
    pub test_limit: Option<usize>,
    /// How many of the training images to set aside for validation.
    pub validation: Option<Amount>,
    /// Seed of all draws.
    pub seed: u64,
}

/// How many training images were left out for a flaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The flaw; the first in the order asked for, where an image has several.
    pub flaw: Flaw,
    /// How many images.
    pub images: usize,
}

impl Preparation {
    /// Leaves out images with flaws, then draws those to train on, to validate with and to test on; each class keeps
    /// its share in all of them. Says how many were left out for which flaw.
    ///
    /// # Errors
    /// Where nothing would be left to train on, to validate with or to test on.
    pub fn apply(&self, mut data: Dataset) -> Result<(Dataset, Vec<Dropped>)> {
        let random = |stream| Random::new(self.seed, stream);
        if self.train_limit == Some(0) || self.test_limit == Some(0) {
            return Err(Error::new(Kind::Usage, "a limit of 0 images", "give 1 or more, such as --test-limit 1000"));
        }
        let dropped = self.drop_from(&mut data)?;
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
        Ok((data, dropped))
    }

    fn drop_from(&self, data: &mut Dataset) -> Result<Vec<Dropped>> {
        if self.drop.is_empty() {
            return Ok(Vec::new());
        }
        let found = check(data).train;
        let mut kept = vec![true; data.train.len()];
        let mut drop = |flaw| {
            let images = found.with(flaw).into_iter().filter(|&i| std::mem::take(&mut kept[i])).count();
            Dropped { flaw, images }
        };
        let dropped = self.drop.iter().map(|&flaw| drop(flaw)).collect();
        let rest: Vec<usize> = (0..kept.len()).filter(|&i| kept[i]).collect();
        if rest.is_empty() {
            let cause = format!("all {} training images have flaws that are to be left out", kept.len());
            return Err(Error::new(Kind::Data, cause, "look at them with `shadegrad data show`, and drop fewer flaws"));
        }
        data.train = data.train.select(&rest);
        Ok(dropped)
    }
}
