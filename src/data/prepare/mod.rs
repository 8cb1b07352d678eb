//! Preparation of a data set between loading and training.

mod check;
mod labeled;
mod regression;

pub use check::{Check, Doubt, Findings, Flaw, Outlier, check};

use super::{Dataset, Split, Task};
use crate::error::{Error, Kind, Result};
use crate::random::{Random, stream};
use std::fmt;
use std::str::FromStr;

/// An amount of items: a fraction, or a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Above 0 and below 1.
    Share(f64),
    /// 1 or more.
    Count(usize),
}

impl Amount {
    /// The count this means for `total` items; a fraction is rounded to nearest.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Share(share) => (share * total as f64).round() as usize,
            Self::Count(count) => count,
        }
    }
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let share = || text.parse().ok().filter(|share| 0.0 < *share && *share < 1.0).map(Self::Share);
        let count = text.parse().ok().filter(|count| *count > 0).map(Self::Count);
        count.or_else(share).ok_or_else(|| {
            let cause = format!("`{text}` is neither a share such as 0.1 nor a count such as 5000");
            Error::new(Kind::Usage, cause, "use a fraction above 0 and below 1, or a number of images")
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

/// Which images of a data set to use, and for what. The default uses the set unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// Drop training images with any of these flaws.
    pub drop: Vec<Flaw>,
    /// Maximum number of training images, including validation.
    pub train_limit: Option<usize>,
    /// Maximum number of test images.
    pub test_limit: Option<usize>,
    /// Number of training images to hold out for validation.
    pub validation: Option<Amount>,
    /// Seed of all random selections.
    pub seed: u64,
}

/// Number of training images dropped for a flaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The flaw; if an image has several, the first requested.
    pub flaw: Flaw,
    /// Number of items.
    pub items: usize,
}

impl Preparation {
    /// Drops flawed images, then draws training, validation and test images, each with the class proportions preserved.
    /// Also returns the number of images dropped per flaw.
    ///
    /// # Errors
    /// If no item would be left for training, validation or test, or if flaws are to be dropped from items that cannot
    /// be checked.
    pub fn apply(&self, data: Dataset) -> Result<(Dataset, Vec<Dropped>)> {
        let random = |stream| Random::new(self.seed, stream);
        if self.train_limit == Some(0) || self.test_limit == Some(0) {
            return Err(Error::new(Kind::Usage, "a limit of 0 images", "use 1 or more, such as --test-limit 1000"));
        }
        let (mut data, dropped) = self.drop_from(data)?;
        let part = |split: &Split, task: &Task, limit: Option<usize>, stream| {
            limit.filter(|limit| *limit < split.len()).map(|limit| split.divide(limit, task, &mut random(stream)).0)
        };
        if let Some(train) = part(data.train(), data.task(), self.train_limit, stream::TRAIN_LIMIT) {
            data = data.with_train(train)?;
        }
        if let Some(test) = data.test().and_then(|test| part(test, data.task(), self.test_limit, stream::TEST_LIMIT)) {
            data = data.with_test(test)?;
        }
        if let Some(amount) = self.validation {
            let (count, images) = (amount.of(data.train().len()), data.train().len());
            if count == 0 || count >= images {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{amount} of {images} training images for validation would be {count}"),
                    "keep at least one image each for training and validation, such as --validation 0.1",
                ));
            }
            let (validation, train) = data.train().divide(count, data.task(), &mut random(stream::VALIDATION));
            data = data.with_train(train)?.with_validation(validation)?;
        }
        Ok((data, dropped))
    }

    fn drop_from(&self, data: Dataset) -> Result<(Dataset, Vec<Dropped>)> {
        if self.drop.is_empty() {
            return Ok((data, Vec::new()));
        }
        let found = check(&data)?.train;
        let mut kept = vec![true; data.train().len()];
        let mut drop = |flaw| {
            let items = found.with(flaw).into_iter().filter(|&i| std::mem::take(&mut kept[i])).count();
            Dropped { flaw, items }
        };
        let dropped = self.drop.iter().map(|&flaw| drop(flaw)).collect();
        let rest: Vec<usize> = (0..kept.len()).filter(|&i| kept[i]).collect();
        if rest.is_empty() {
            let cause = format!("all {} training images have flaws to drop", kept.len());
            return Err(Error::new(Kind::Data, cause, "look at them with `shadegrad data show`, and drop fewer flaws"));
        }
        let train = data.train().select(&rest);
        Ok((data.with_train(train)?, dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shares_or_counts() {
        assert_eq!("0.1".parse(), Ok(Amount::Share(0.1)));
        assert_eq!("5000".parse(), Ok(Amount::Count(5000)));
        assert_eq!((Amount::Share(0.25).of(10), Amount::Count(7).of(10)), (3, 7));
        for text in ["0", "1.0", "1.5", "-3", "-0.1", "nan", "", "10%"] {
            let error = text.parse::<Amount>().expect_err("no amount");
            assert!(error.kind() == Kind::Usage && error.cause().contains(text), "{text}: {error}");
        }
    }
}
