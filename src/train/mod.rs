//! The training loop, and what it needs: configuration, data on the device, metrics, model files.

mod config;
mod model_file;
mod trainer;

pub use config::TrainConfig;
pub use model_file::ModelFile;
pub use trainer::{EVALUATION_BATCH, Outcome, Score, Trainer, Update, evaluate, upload_images, upload_weights};
