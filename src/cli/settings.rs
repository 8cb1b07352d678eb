//! How a model is trained: the flags of `train`, which a model file may give in its table `training`.

use super::model_flags::ModelFlags;
use super::optimisation::OptimisationFlags;
use crate::error::Result;
use crate::nn::toml::Table;
use crate::nn::{Augment, Normalisation};
use crate::train::TrainConfig;

/// Everything may be left out, and is then as the model file says, or as usual.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Settings {
    /// Images in a training step [default: 128]
    #[arg(long, value_name = "N")]
    pub(super) batch_size: Option<usize>,
    /// Images of a training step that are on the device at a time; their gradients are added up: the same updates in less
    /// memory [default: all]
    #[arg(long, value_name = "N")]
    pub(super) micro_batch: Option<usize>,
    /// Passes over the training images [default: 5]
    #[arg(long, value_name = "N")]
    pub(super) epochs: Option<usize>,
    /// Learning rate: how far a step moves the weights [default: 0.001]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub(super) lr: Option<f32>,
    #[command(flatten)]
    pub(super) optimisation: OptimisationFlags,
    /// Decay of weights, not of biases: decoupled in `adamw` (0.01 unless given), L2 in `sgd` and `rmsprop`
    #[arg(long, value_name = "STRENGTH", allow_negative_numbers = true)]
    pub(super) weight_decay: Option<f64>,
    /// Inputs of the model: pixels from 0 to 1 (`unit`), or less their mean and over their deviation (`standard`), both
    /// measured on the training images and kept with the model [default: unit]
    #[arg(long, value_name = "unit|standard")]
    pub(super) normalize: Option<Normalisation>,
    /// Change training images at random: largest rotation (degrees), shift (pixels), scale, shear; probability of hflip,
    /// vflip, erase; deviation of noise. Such as rotate=10,shift=2,scale=0.1,shear=0.1,noise=0.05,erase=0.1
    #[arg(long, value_name = "NAME=AMOUNT,...")]
    pub(super) augment: Option<Augment>,
    /// Seed of the initial weights and of the order of the images: the same seed gives the same run [default: 42]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
}

impl Settings {
    /// Reads the table `training` of a model file: each flag by its name, with `_` for `-`.
    ///
    /// # Errors
    /// Where a key is unknown or its value cannot be used: gives file, line and column.
    pub(super) fn read(mut table: Table<'_>) -> Result<Self> {
        let settings = Self {
            batch_size: table.take("batch_size")?,
            micro_batch: table.take("micro_batch")?,
            epochs: table.take("epochs")?,
            lr: table.take("lr")?,
            optimisation: OptimisationFlags::read(&mut table)?,
            weight_decay: table.take("weight_decay")?,
            normalize: table.take_named("normalize")?,
            augment: table.take_named("augment")?,
            seed: table.take("seed")?,
        };
        table.finish()?;
        Ok(settings)
    }

    /// What these flags, those on the model and its file ask for; in all else a run is as usual.
    ///
    /// # Errors
    /// Where the file cannot be read, or what is asked for does not fit together.
    pub(super) fn config(&self, model: &ModelFlags) -> Result<TrainConfig> {
        let (model, file) = model.model_config()?;
        let (settings, usual) = (self.clone().or(file), TrainConfig::default());
        Ok(TrainConfig {
            model,
            batch_size: settings.batch_size.unwrap_or(usual.batch_size),
            micro_batch: settings.micro_batch,
            epochs: settings.epochs.unwrap_or(usual.epochs),
            update: settings.optimisation.settings(settings.lr, settings.weight_decay)?,
            seed: settings.seed.unwrap_or(usual.seed),
            normalize: settings.normalize.unwrap_or_default(),
            augment: settings.augment.unwrap_or_default(),
            ..usual
        })
    }

    /// These settings, and those of `file` where there is none here.
    #[must_use]
    pub(super) fn or(self, file: Self) -> Self {
        // It belongs to the optimizer: another one here takes nothing of the file's.
        let decay = file.weight_decay.filter(|_| self.optimisation.keeps_optimizer_of(&file.optimisation));
        Self {
            weight_decay: self.weight_decay.or(decay),
            batch_size: self.batch_size.or(file.batch_size),
            micro_batch: self.micro_batch.or(file.micro_batch),
            epochs: self.epochs.or(file.epochs),
            lr: self.lr.or(file.lr),
            optimisation: self.optimisation.or(file.optimisation),
            normalize: self.normalize.or(file.normalize),
            augment: self.augment.or(file.augment),
            seed: self.seed.or(file.seed),
        }
    }
}
