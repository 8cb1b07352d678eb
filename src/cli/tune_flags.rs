//! The flags of `tune` that say what is searched and what is fixed, and the flags of `train` for one of its runs.

use super::data_flags::flag;
use super::model_flags::LossFlags;
use super::optimisation::OptimisationFlags;
use crate::error::Result;
use crate::nn::{Activation, Augment, Normalisation};
use crate::train::{Settings, Space, TrainConfig, Values};
use serde_json::{Value, json};

/// What each setting may be.
#[derive(Debug, clap::Args)]
pub(super) struct SpaceFlags {
    /// Learning rates; a range is drawn from log-uniformly
    #[arg(long, default_value = "1e-4..1e-2", value_name = "VALUES", allow_hyphen_values = true)]
    lr: Values<f64>,
    /// Widths of the hidden layers, all alike; a range is drawn from log-uniformly
    #[arg(long, default_value = "64..1024", value_name = "VALUES")]
    width: Values<usize>,
    /// Numbers of hidden layers
    #[arg(long, default_value = "1..3", value_name = "VALUES")]
    depth: Values<usize>,
    /// Images in a training step; a range is drawn from log-uniformly
    #[arg(long, alias = "batch-size", default_value = "32,128,512", value_name = "VALUES")]
    batch: Values<usize>,
    /// Shares of each hidden layer's outputs that training drops
    #[arg(long, default_value = "0..0.5", value_name = "VALUES", allow_hyphen_values = true)]
    dropout: Values<f64>,
    /// Decay of weights: decoupled in `adamw` [default: 0..0.1], L2 in `sgd` and `rmsprop` [default: 0..0.001]
    #[arg(long, value_name = "VALUES", allow_hyphen_values = true)]
    weight_decay: Option<Values<f64>>,
    /// What follows each hidden layer
    #[arg(long, default_value = "relu,tanh", value_delimiter = ',', value_name = "FUNCTION[,FUNCTION...]")]
    activation: Vec<Activation>,
}

/// What is the same in all runs.
#[derive(Debug, clap::Args)]
pub(super) struct FixedFlags {
    #[command(flatten)]
    loss: LossFlags,
    #[command(flatten)]
    optimisation: OptimisationFlags,
    /// Inputs of the models, as `train` makes them [default: unit]
    #[arg(long, value_name = "unit|standard")]
    normalize: Option<Normalisation>,
    /// Change training images at random, as `train` does
    #[arg(long, value_name = "NAME=AMOUNT,...")]
    augment: Option<Augment>,
    /// Seed of the settings tried, and of the initial weights and the order of the images in each run
    #[arg(long, default_value_t = 42, value_name = "N")]
    pub(super) seed: u64,
}

/// A search as its flags ask for it.
pub(super) struct Search {
    pub(super) space: Space,
    /// What the space leaves open is filled in from here.
    pub(super) fixed: TrainConfig,
    /// The flags of `train` for what is fixed.
    fixed_flags: String,
}

impl Search {
    /// # Errors
    /// Names the first setting that no run could use.
    pub(super) fn new(space: &SpaceFlags, fixed: &FixedFlags) -> Result<Self> {
        let FixedFlags { loss, optimisation, normalize, augment, seed } = fixed;
        let mut optimisation = optimisation.clone();
        optimisation.optimizer.get_or_insert_with(|| "adamw".to_owned());
        let usual = TrainConfig::default();
        let fixed = TrainConfig {
            model: loss.apply(usual.model),
            // Its decay is drawn; that of an optimizer without any is refused here.
            update: optimisation.settings(None, space.weight_decay.as_ref().map(|_| 0.0))?,
            normalize: normalize.unwrap_or_default(),
            augment: augment.unwrap_or_default(),
            seed: *seed,
            ..usual
        };
        fixed.validate()?;
        let usual_decay = fixed.update.optimizer.search("weight_decay").unwrap_or("0").parse()?;
        let augment = fixed.augment.is_on().then_some(fixed.augment);
        let normalize = (fixed.normalize != Normalisation::default()).then_some(fixed.normalize);
        let prepared = [flag("normalize", normalize), flag("augment", augment)].concat();
        let fixed_flags = [optimisation.repeated(), loss.repeated(), prepared].concat();
        let space = Space {
            learning_rate: space.lr.clone(),
            width: space.width.clone(),
            depth: space.depth.clone(),
            batch_size: space.batch.clone(),
            dropout: space.dropout.clone(),
            weight_decay: space.weight_decay.clone().unwrap_or(usual_decay),
            activation: space.activation.clone(),
        };
        space.validate()?;
        Ok(Self { space, fixed, fixed_flags })
    }

    /// The run of `epochs` epochs of these settings.
    pub(super) fn config(&self, settings: &Settings, epochs: usize) -> TrainConfig {
        TrainConfig { epochs, ..settings.config(&self.fixed) }
    }

    /// The flags of `train` for that run, each behind a space.
    pub(super) fn train_flags(&self, settings: &Settings, epochs: usize) -> String {
        let Settings { learning_rate, width, depth, batch_size, dropout, weight_decay, activation } = settings;
        let decays = self.fixed.update.optimizer.value("weight_decay").is_some();
        [
            flag("hidden", Some(vec![width.to_string(); *depth].join(","))),
            flag("activation", Some(activation)),
            flag("dropout", Some(dropout)),
            flag("batch-size", Some(batch_size)),
            flag("epochs", Some(epochs)),
            flag("lr", Some(learning_rate)),
            flag("weight-decay", decays.then_some(weight_decay)),
            self.fixed_flags.clone(),
            flag("seed", Some(self.fixed.seed)),
        ]
        .concat()
    }

    /// What is searched and what is fixed, for machines.
    pub(super) fn json(&self) -> [Value; 2] {
        let Space { learning_rate, width, depth, batch_size, dropout, weight_decay, activation } = &self.space;
        let space = json!({
            "lr": learning_rate.to_string(),
            "width": width.to_string(),
            "depth": depth.to_string(),
            "batch": batch_size.to_string(),
            "dropout": dropout.to_string(),
            "weight_decay": weight_decay.to_string(),
            "activation": activation.iter().map(Activation::to_string).collect::<Vec<_>>(),
        });
        [space, self.fixed_flags.trim_start().into()]
    }
}

/// The settings of a run, for machines.
pub(super) fn describe(settings: &Settings) -> Value {
    // As decimal text says them: f32 widened to f64 would have more digits.
    let decimal = |x: f32| x.to_string().parse::<f64>().unwrap_or(x.into());
    json!({
        "lr": decimal(settings.learning_rate),
        "width": settings.width,
        "depth": settings.depth,
        "batch": settings.batch_size,
        "dropout": settings.dropout,
        "weight_decay": settings.weight_decay,
        "activation": settings.activation.to_string(),
    })
}
