use super::affine::scale_and_offset;
use super::definition::Layer;
use crate::error::Result;
use crate::nn::{self, ModelBuilder, PassMode, Signal};

/// Batch normalization over each feature with learned scale and offset; evaluation uses the running state. For formula
/// and source see [`crate::ops::norm::batch_norm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchNorm;

impl Layer for BatchNorm {
    fn kind(&self) -> &'static str {
        "batch_norm"
    }

    fn build(&self, b: &mut ModelBuilder<'_>, x: Signal) -> Result<Signal> {
        let n = b.width(x)?;
        b.begin("bn");
        let affine = scale_and_offset(b, n)?;
        let running = [b.running("running_mean", [n], 0.0)?, b.running("running_var", [n], 1.0)?];
        let counters = b.counters();
        let normalized = match b.mode() {
            PassMode::Train { .. } => nn::batch_norm(b.graph, x.value, affine, running, counters)?,
            PassMode::Evaluate => {
                let running = running.map(|slot| b.read(slot));
                nn::batch_norm_evaluate(b.graph, x.value, affine, running, counters)?
            }
        };
        Ok(x.with(normalized))
    }
}
