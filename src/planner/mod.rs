//! What a training step, an evaluation and an inference are, as plans.
//!
//! The passes forward and backward are a graph; what changes memory around it (counters, gathering, metrics, update) is
//! recorded into the plan. `passes` then joins what belongs to several of them. Every name of a slot or section is
//! spelled in `names.rs`; all others hold the handles.

mod batch;
mod forward;
mod infer;
mod keep;
mod measure;
mod metrics;
mod micro_batches;
mod names;
mod passes;
mod scan;
mod slots;
mod spec;
mod train;

pub use infer::{InferencePlan, InferenceSlots, plan_inference};
pub use micro_batches::MicroBatches;
pub use names::{Phase, Set};
pub use scan::{BadElements, ScanSlots, add_scan};
pub use slots::{ModelSlots, SetSlots};
pub use spec::{EvaluationSpec, TrainSpec};
pub use train::{EvaluationPlan, TrainingPlan, TrainingSlots, plan_evaluation, plan_training};
