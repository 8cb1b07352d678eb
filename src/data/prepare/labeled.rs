//! What can be checked: images with a class each.

use crate::data::{Dataset, Images, Split};
use crate::error::{Error, Kind, Result};

/// Images with their classes.
pub(super) struct Labeled<'a> {
    pub(super) images: Images<'a>,
    /// `[n]`, each below `classes`.
    pub(super) labels: Vec<usize>,
    pub(super) classes: usize,
}

impl<'a> Labeled<'a> {
    pub(super) fn of(data: &Dataset, split: &'a Split) -> Result<Self> {
        let labels: Option<Vec<usize>> = (0..split.len()).map(|i| split.targets().class(i)).collect();
        let labels = labels.filter(|_| data.task().is_classification()).ok_or_else(|| {
            let cause = format!("{}: expected items with class labels", data.source());
            Error::new(Kind::Data, cause, "only classification data sets can be checked for flaws")
        })?;
        Ok(Self { images: Images::of_bytes(split)?, labels, classes: data.task().outputs().len() })
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }
}
