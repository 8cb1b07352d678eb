//! What plans call their sections and slots. Each name is spelled here and nowhere else in the library.

use std::borrow::Cow;
use std::fmt;

/// A section of the plans made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A training step.
    Train,
    /// A search for gradients and weights that are not finite, after training steps.
    Scan,
    /// A batch of the test set.
    Evaluate,
    /// A batch of the validation set.
    Validate,
    /// Copies weights and running state to where the best ones are kept.
    Keep,
    /// Copies the best weights and running state back.
    Restore,
    /// Measures mean and standard deviation of the training inputs.
    Measure,
    /// An inference of so many rows.
    Infer(usize),
}

impl Phase {
    /// The name of the section.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Train => "train",
            Self::Scan => "scan",
            Self::Evaluate => "evaluate",
            Self::Validate => "validate",
            Self::Keep => "keep",
            Self::Restore => "restore",
            Self::Measure => "measure",
            Self::Infer(rows) => return Cow::Owned(format!("infer {rows}")),
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A split of a data set, as plans name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// What is trained on.
    Train,
    /// What decides when training stops.
    Validation,
    /// What the trained model is evaluated on.
    Test,
}

impl Set {
    /// The name that its slots begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The section that evaluates on it.
    pub fn evaluated_by(self) -> Phase {
        match self {
            Self::Train => Phase::Train,
            Self::Validation => Phase::Validate,
            Self::Test => Phase::Evaluate,
        }
    }
}

/// The arena of the parameters.
pub(super) const WEIGHTS: &str = "weights";
/// The arena of running state.
pub(super) const RUNNING_STATE: &str = "statistics";
/// The arena of the gradients of a batch.
pub(super) const GRADIENTS: &str = "gradients";
/// The arena of the gradients of a micro-batch.
pub(super) const MICRO_GRADIENTS: &str = "micro_gradients";
/// The arenas of the best weights and running state are named like those that they are copies of, below this.
pub(super) const KEPT: &str = "kept";
/// How much each class counts, where the loss takes weights.
pub(super) const CLASS_WEIGHTS: &str = "class_weights";
/// What scans have found.
pub(super) const SCAN_RECORD: &str = "scan/record";

/// The slots of one set, each below the name of the set.
pub(super) mod of_set {
    /// All items.
    pub(in crate::planner) const ITEMS: &str = "items";
    /// The targets of all items.
    pub(in crate::planner) const TARGETS: &str = "classes";
    /// See [`crate::ops::counter`].
    pub(in crate::planner) const COUNTERS: &str = "counters";
    /// The counters of the step before.
    pub(in crate::planner) const LAST_COUNTERS: &str = "last_counters";
    /// The counters of a micro-batch.
    pub(in crate::planner) const MICRO_COUNTERS: &str = "micro_counters";
    /// See [`crate::ops::rate`].
    pub(in crate::planner) const RATES: &str = "rates";
    /// The rows of a batch.
    pub(in crate::planner) const INPUTS: &str = "inputs";
    /// The targets of a batch.
    pub(in crate::planner) const LABELS: &str = "labels";
    /// A ring of the metrics of batches.
    pub(in crate::planner) const METRICS: &str = "metrics";
}

/// The slots of an inference, each below the name of its section.
pub(super) mod of_inference {
    /// The rows of an input, followed by its name.
    pub(in crate::planner) const INPUTS: &str = super::of_set::INPUTS;
    /// See [`crate::ops::counter`].
    pub(in crate::planner) const COUNTERS: &str = super::of_set::COUNTERS;
    /// What the last layer gives.
    pub(in crate::planner) const LOGITS: &str = "logits";
    /// Their softmax.
    pub(in crate::planner) const PROBABILITIES: &str = "probabilities";
}
