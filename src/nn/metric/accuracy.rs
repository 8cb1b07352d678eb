use super::definition::{BatchResult, Metric};

/// The share of rows whose largest output is that of their class, from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn sums(&self) -> usize {
        2
    }

    fn record(&self, batch: &BatchResult, sums: &mut [f64]) {
        sums[0] += batch.right;
        sums[1] += batch.rows as f64;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        sums[0] / sums[1].max(1.0)
    }

    fn show(&self, value: f64) -> String {
        format!("accuracy {:.2} %", 100.0 * value)
    }

    fn reaches(&self, value: f64, target: f64) -> bool {
        value >= target
    }

    fn is_target(&self, target: f64) -> bool {
        target > 0.0 && target <= 1.0
    }
}
