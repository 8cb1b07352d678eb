//! Settings of a training run.

use super::{StopReason, StopTarget};
use crate::error::{Error, Kind, Result};
use crate::nn::{Augment, MlpConfig, ModelConfig, Normalization};
use crate::optim::UpdateConfig;
use crate::planner::MicroBatches;

/// The settings of a run. The defaults are those of the classic program.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainConfig {
    /// Layers, loss and initializer.
    pub model: ModelConfig,
    /// Batch size.
    pub batch_size: usize,
    /// Rows on the device at a time; all if not set.
    pub micro_batch: Option<usize>,
    /// Passes over the training set, unless `steps` says how long the run is.
    pub epochs: usize,
    /// Steps of the run, which may end within an epoch.
    pub steps: Option<usize>,
    /// Steps from validation to validation; without it, those of an epoch.
    pub eval_every: Option<usize>,
    /// How a step moves the weights: optimizer, learning rate and its schedule, clipping.
    pub update: UpdateConfig,
    /// Batch sizes of inferences while training, if there are to be any.
    pub infer: Vec<usize>,
    /// Seed of initial weights and of the order of the items.
    pub seed: u64,
    /// What all inputs are normalized by.
    pub normalize: Normalization,
    /// What is done at random to the training items.
    pub augment: Augment,
    /// Check gradients and weights for NaN and infinity every this many steps; also after the last step, and with
    /// validation after each epoch.
    pub scan_every: usize,
    /// Validation target that ends training.
    pub target: Option<StopTarget>,
    /// After how many validations without a lower loss training ends. The best weights are kept.
    pub patience: Option<usize>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            model: ModelConfig::mlp(&[1024], &MlpConfig::default()),
            batch_size: 128,
            micro_batch: None,
            epochs: 5,
            steps: None,
            eval_every: None,
            update: UpdateConfig::default(),
            infer: Vec::new(),
            seed: 42,
            normalize: Normalization::default(),
            augment: Augment::default(),
            scan_every: 100,
            target: None,
            patience: None,
        }
    }
}

impl TrainConfig {
    /// How batches out of `samples` items are divided.
    pub fn division(&self, samples: usize) -> MicroBatches {
        MicroBatches::new(samples, self.batch_size, self.micro_batch)
    }

    /// Why a run ends that nothing ends early.
    pub(super) fn full_length(&self) -> StopReason {
        if self.steps.is_some() { StopReason::Steps } else { StopReason::Epochs }
    }

    /// Checks each setting.
    ///
    /// # Errors
    /// If a setting is invalid; names the first, and valid values.
    pub fn validate(&self) -> Result<()> {
        let usage = |cause: String, advice: &str| Err(Error::new(Kind::Usage, cause, advice));
        if self.batch_size == 0 {
            return usage("a batch size of 0".into(), "give 1 or more, such as --batch-size 128");
        }
        if let Some(rows) = self.micro_batch.filter(|rows| !(1..=self.batch_size).contains(rows)) {
            let cause = format!("a micro-batch of {rows} in a batch of {}", self.batch_size);
            return usage(cause, "give a size from 1 to that of the batch, such as --micro-batch 32");
        }
        if self.epochs == 0 {
            return usage("epochs must be at least 1".into(), "give 1 or more, such as --epochs 5");
        }
        if self.steps == Some(0) {
            return usage("0 steps".into(), "give 1 or more, such as --steps 1000");
        }
        if self.eval_every == Some(0) {
            return usage("a validation every 0 steps".into(), "give 1 or more, such as --eval-every 500");
        }
        if self.scan_every == 0 {
            return usage("a scan every 0 steps".into(), "give 1 or more, such as --scan-every 100");
        }
        if self.patience == Some(0) {
            return usage("a patience of 0 validations".into(), "give 1 or more, such as --patience 3");
        }
        self.model.validate()?;
        self.augment.validate()?;
        self.update.validate()
    }
}
