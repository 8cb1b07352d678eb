//! What a metric is.

use std::fmt;

/// What the device leaves of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchResult {
    /// The mean loss of its valid rows.
    pub mean_loss: f64,
    /// Rows whose largest output is that of their class.
    pub right: f64,
    /// Its valid rows.
    pub rows: usize,
}

impl BatchResult {
    /// An entry of the device's ring of metrics, of a batch with so many valid rows.
    pub fn of(entry: &[f32], rows: usize) -> Self {
        Self { mean_loss: entry[0].into(), right: entry[1].into(), rows }
    }

    /// One batch of the rows of several.
    pub fn joined(parts: impl Iterator<Item = Self>) -> Self {
        let (mut loss, mut right, mut rows) = (0.0, 0.0, 0);
        for part in parts {
            loss += part.mean_loss * part.rows as f64;
            right += part.right;
            rows += part.rows;
        }
        Self { mean_loss: loss / rows.max(1) as f64, right, rows }
    }
}

/// A number on how a model does. It is a function of sums over batches, so that it does not depend on how items are cut
/// into batches.
pub trait Metric: fmt::Debug + Send + Sync {
    /// Its name in reports and targets.
    fn name(&self) -> &'static str;

    /// How many sums it takes.
    fn sums(&self) -> usize;

    /// Adds a batch to the sums.
    fn record(&self, batch: &BatchResult, sums: &mut [f64]);

    /// The metric of what was added; of nothing, any number.
    fn value(&self, sums: &[f64]) -> f64;

    /// Its name and a value, for people.
    fn show(&self, value: f64) -> String;

    /// Whether `value` is as good as `target`, or better.
    fn reaches(&self, value: f64, target: f64) -> bool;

    /// Whether `target` can be reached and missed.
    fn is_target(&self, target: f64) -> bool;
}

impl PartialEq for dyn Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
