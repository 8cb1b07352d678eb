//! What a plan is asked to do, besides the model.

use crate::nn::{Augment, Normalization};
use crate::optim::UpdateConfig;

/// What training takes.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSpec {
    /// Items to train on.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
    /// Rows of a batch that are on the device at a time: their gradients are accumulated. If `None`, all.
    pub micro_batch: Option<usize>,
    /// How a step moves the weights.
    pub update: UpdateConfig,
    /// Steps of the whole run, for the schedule.
    pub steps: usize,
    /// Seed of the order of the items, and of what is random in layers.
    pub seed: u64,
    /// Steps in the ring of metrics.
    pub ring: usize,
    /// How items are augmented, which are then rows and columns; if `None`, they are taken as they are.
    pub augment: Option<(Augment, [usize; 2])>,
    /// What items are normalized by. [`Normalization::Standard`] adds the section [`Phase::Measure`](super::Phase).
    pub normalize: Normalization,
    /// What is evaluated while training, in the section [`Phase::Validate`](super::Phase).
    pub validation: Option<EvaluationSpec>,
    /// What is evaluated in the section [`Phase::Evaluate`](super::Phase).
    pub test: Option<EvaluationSpec>,
    /// Whether there is a section [`Phase::Scan`](super::Phase).
    pub scan: bool,
    /// Whether there are sections [`Phase::Keep`](super::Phase) and [`Phase::Restore`](super::Phase).
    pub keep_best: bool,
    /// Batch sizes of inferences, each a section [`Phase::Infer`](super::Phase) of the weights in training.
    pub infer: Vec<usize>,
}

impl TrainSpec {
    /// Steps over batches of `batch` out of `samples` items, and nothing besides.
    pub fn new(samples: usize, batch: usize, steps: usize) -> Self {
        Self {
            samples,
            batch,
            micro_batch: None,
            update: UpdateConfig::default(),
            steps,
            seed: 1,
            ring: steps,
            augment: None,
            normalize: Normalization::default(),
            validation: None,
            test: None,
            scan: false,
            keep_best: false,
            infer: Vec::new(),
        }
    }
}

/// What an evaluation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationSpec {
    /// Items to evaluate.
    pub samples: usize,
    /// Rows of a batch.
    pub batch: usize,
}
