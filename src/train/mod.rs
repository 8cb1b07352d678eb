//! The training loop: configuration, data on the device, metrics, model files. Hyperparameter search: spaces,
//! successive halving, and the file of runs.

mod config;
mod course;
mod journal;
mod model_file;
mod progress;
mod scan;
mod search;
mod setting;
mod settings;
mod space;
mod stopping;
mod train_settings;
mod trainer;
mod tune;
mod upload;

pub use config::TrainConfig;
pub use journal::Journal;
pub use model_file::ModelFile;
pub use progress::TrainUpdate;
pub use search::{Candidates, Distribution, Search};
pub use setting::{Scope, Setting};
pub use settings::{settings, settings_in};
pub use space::{Sample, Space};
pub use stopping::{StopReason, StopTarget, Validated};
pub use train_settings::TrainSettings;
pub use trainer::{EVALUATION_BATCH, TrainOutcome, Trainer, evaluate, upload_weights};
pub use tune::{Assignment, Finished, Halving, rank, unless_diverged};
pub use upload::upload_split;
