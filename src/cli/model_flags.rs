//! The flag that names a model file.

use crate::error::{Error, Result};
use crate::nn::ModelConfig;
use crate::nn::toml::TomlTable;
use crate::train::TrainSettings;
use std::path::PathBuf;

/// A model file; without one, flags of settings say which perceptron to train.
#[derive(Debug, clap::Args)]
pub(super) struct ModelFlags {
    /// TOML model file, optionally with training settings; flags override it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hidden", "activation", "dropout"])]
    model: Option<PathBuf>,
}

impl ModelFlags {
    /// The layers of the file, if one is given, and what its table `training` says.
    ///
    /// # Errors
    /// If the file cannot be read, or something in it is wrong: gives file, line and column.
    pub(super) fn read(&self) -> Result<Option<(ModelConfig, TrainSettings)>> {
        let Some(path) = &self.model else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
        let name = path.display().to_string();
        let mut table = TomlTable::parse(&name, &text)?;
        let model = ModelConfig::read(&mut table)?;
        let settings = match table.take_table("training")? {
            Some(training) => TrainSettings::read(training)?,
            None => TrainSettings::default(),
        };
        table.finish()?;
        Ok(Some((model, settings)))
    }
}
