//! The values of all metrics over some items.

use super::ALL;
use super::accuracy::Accuracy;
use super::definition::{BatchResult, Metric};
use super::mean_loss::MeanLoss;
use std::fmt;

/// The value of each metric over some items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured([f64; ALL.len()]);

impl Measured {
    /// These values by the names of their metrics; NaN for those that are not among them.
    pub fn of(values: &[(&str, f64)]) -> Self {
        let value =
            |metric: &dyn Metric| values.iter().find(|(name, _)| *name == metric.name()).map(|(_, value)| *value);
        Self(ALL.map(|metric| value(metric).unwrap_or(f64::NAN)))
    }

    /// The value of a metric; NaN if it is not registered.
    pub fn get(&self, metric: &dyn Metric) -> f64 {
        self.iter().find(|(name, _)| *name == metric.name()).map_or(f64::NAN, |(_, value)| value)
    }

    /// Each metric's name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> {
        ALL.into_iter().map(|metric| metric.name()).zip(self.0)
    }

    /// The names of all metrics.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.into_iter().map(|metric| metric.name())
    }

    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.get(&MeanLoss)
    }

    /// The share of right answers, from 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.get(&Accuracy)
    }
}

/// As people read it: `loss 0.0731  accuracy 97.80 %`.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = ALL.into_iter().zip(self.0).map(|(metric, value)| metric.show(value)).collect();
        f.write_str(&shown.join("  "))
    }
}

/// The sums of all metrics over batches.
#[derive(Clone, Debug)]
pub struct MetricSums(Vec<f64>);

impl Default for MetricSums {
    fn default() -> Self {
        Self(vec![0.0; ALL.iter().map(|metric| metric.sums()).sum()])
    }
}

impl MetricSums {
    /// Adds a batch.
    pub fn add(&mut self, batch: &BatchResult) {
        let mut rest = &mut self.0[..];
        for metric in ALL {
            let (sums, others) = rest.split_at_mut(metric.sums());
            metric.record(batch, sums);
            rest = others;
        }
    }

    /// The metrics of all batches so far.
    pub fn measured(&self) -> Measured {
        let mut first = 0;
        Measured(ALL.map(|metric| {
            let sums = &self.0[first..first + metric.sums()];
            first += sums.len();
            metric.value(sums)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_do_not_depend_on_how_items_are_cut_into_batches() {
        let whole = BatchResult { mean_loss: 0.75, right: 5.0, rows: 8 };
        let parts = [
            BatchResult { mean_loss: 1.0, right: 3.0, rows: 4 },
            BatchResult { mean_loss: 0.25, right: 2.0, rows: 2 },
            BatchResult { mean_loss: 0.75, right: 0.0, rows: 2 },
            BatchResult { mean_loss: f64::from(7u8), right: 0.0, rows: 0 },
        ];
        let measured = |batches: &[BatchResult]| {
            let mut sums = MetricSums::default();
            batches.iter().for_each(|batch| sums.add(batch));
            sums.measured()
        };
        assert_eq!(measured(&parts), measured(&[whole]));
        assert_eq!((measured(&[whole]).loss(), measured(&[whole]).accuracy()), (0.75, 0.625));
        assert_eq!(measured(&[whole]).to_string(), "loss 0.7500  accuracy 62.50 %");
        assert_eq!(measured(&[]), Measured::of(&[("loss", 0.0), ("accuracy", 0.0)]));
    }

    #[test]
    fn every_metric_knows_which_values_are_better_and_which_can_be_targets() {
        for metric in ALL {
            let better = [(0.1, 0.2), (0.2, 0.1)].map(|(value, target)| metric.reaches(value, target));
            assert!(better[0] != better[1] && metric.reaches(0.2, 0.2), "{metric:?}");
            assert!(metric.is_target(0.5) && !metric.is_target(0.0) && !metric.is_target(f64::NAN), "{metric:?}");
            assert!(metric.show(0.5).starts_with(metric.name()), "{metric:?}");
        }
        assert!(Measured::of(&[("recall", 1.0)]).loss().is_nan());
    }
}
