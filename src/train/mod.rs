//! The training loop, and what it needs: configuration, data on the device, metrics, model files.

mod config;
mod model_file;
mod progress;
mod stopping;
mod trainer;

pub use config::TrainConfig;
pub use model_file::ModelFile;
pub use progress::{Score, Update};
pub use stopping::{Ending, Target, Validated};
pub use trainer::{EVALUATION_BATCH, Outcome, Trainer, augmented, evaluate, upload_images, upload_weights};
