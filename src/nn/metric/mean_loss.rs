use super::definition::{BatchResult, Metric};

/// The mean loss over all rows.
#[derive(Clone, Copy, Debug)]
pub struct MeanLoss;

impl Metric for MeanLoss {
    fn name(&self) -> &'static str {
        "loss"
    }

    fn sums(&self) -> usize {
        2
    }

    fn record(&self, batch: &BatchResult, sums: &mut [f64]) {
        sums[0] += batch.mean_loss * batch.rows as f64;
        sums[1] += batch.rows as f64;
    }

    fn value(&self, sums: &[f64]) -> f64 {
        sums[0] / sums[1].max(1.0)
    }

    fn show(&self, value: f64) -> String {
        format!("loss {value:.4}")
    }

    fn reaches(&self, value: f64, target: f64) -> bool {
        value <= target
    }

    fn is_target(&self, target: f64) -> bool {
        target.is_finite() && target > 0.0
    }
}
