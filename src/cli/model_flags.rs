//! The flags that say what a model is made of.

use super::data_flags::flag;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::nn::loss::Loss;
use crate::nn::toml::Table;
use crate::nn::{Activation, ClassWeights, Initializer, LossConfig, MlpConfig, ModelConfig};
use std::path::{Path, PathBuf};

/// A model file, or widths and recipe of a perceptron.
#[derive(Debug, clap::Args)]
pub(super) struct ModelFlags {
    /// A TOML file with the layers and, if it likes, how to train them; flags given here go before what it says
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hidden", "activation", "dropout"])]
    model: Option<PathBuf>,
    /// Widths of the hidden layers, from the input on, such as 512,256
    #[arg(long, default_value = "1024", value_delimiter = ',', value_name = "WIDTH[,WIDTH...]")]
    hidden: Vec<usize>,
    #[arg(long, default_value = "relu", value_name = "FUNCTION", help = activation_help())]
    activation: Activation,
    /// Share of each hidden layer's outputs that training drops
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", allow_negative_numbers = true)]
    dropout: f64,
    #[command(flatten)]
    loss: LossFlags,
}

fn activation_help() -> String {
    let mut names: Vec<_> = Activation::all().map(Activation::name).collect();
    let last = names.pop().unwrap_or_default();
    format!("What follows each hidden layer: {} or {last}", names.join(", "))
}

/// What training makes small and how weights begin, whatever the layers.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LossFlags {
    /// What training makes small: cross-entropy, mse, softmax-mse, l1, huber or binary-cross-entropy
    /// [default: cross-entropy]
    #[arg(long, value_name = "LOSS")]
    loss: Option<&'static dyn Loss>,
    /// What of each label cross-entropy spreads evenly over all classes, from 0 to below 1 [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    label_smoothing: Option<f32>,
    /// How much each class counts in cross-entropy: equal, balanced (by how rare it is), or a number for each class
    /// [default: equal]
    #[arg(long, value_name = "equal|balanced|W,W,...", allow_hyphen_values = true)]
    class_weights: Option<ClassWeights>,
    /// How weights begin: he, he-uniform, xavier, xavier-uniform, lecun, truncated-normal or zeros [default: he]
    #[arg(long, value_name = "INITIALISER")]
    init: Option<Initializer>,
}

impl ModelFlags {
    /// The model that the flags ask for, and what its file says of training.
    ///
    /// # Errors
    /// Where the file cannot be read, or something in it is wrong: gives file, line and column.
    pub(super) fn model_config(&self) -> Result<(ModelConfig, Settings)> {
        let (blueprint, settings) = match &self.model {
            Some(path) => read(path)?,
            None => {
                let Self { hidden, activation, dropout, .. } = self;
                let recipe = MlpConfig { activation: *activation, dropout: *dropout, ..MlpConfig::default() };
                (ModelConfig::mlp(hidden, &recipe), Settings::default())
            }
        };
        Ok((self.loss.apply(blueprint), settings))
    }
}

impl LossFlags {
    /// The blueprint with what the flags ask for.
    pub(super) fn apply(&self, mut blueprint: ModelConfig) -> ModelConfig {
        blueprint.initializer = self.init.unwrap_or(blueprint.initializer);
        let LossConfig { loss, label_smoothing, class_weights } = blueprint.loss;
        blueprint.loss = LossConfig {
            loss: self.loss.unwrap_or(loss),
            label_smoothing: self.label_smoothing.unwrap_or(label_smoothing),
            class_weights: self.class_weights.clone().unwrap_or(class_weights),
        };
        blueprint
    }

    /// The flags as a shell takes them, each behind a space.
    pub(super) fn repeated(&self) -> String {
        let Self { loss, label_smoothing, class_weights, init } = self;
        [
            flag("loss", *loss),
            flag("label-smoothing", *label_smoothing),
            flag("class-weights", class_weights.as_ref()),
            flag("init", *init),
        ]
        .concat()
    }
}

/// The layers of a file, and what its table `training` says.
fn read(path: &Path) -> Result<(ModelConfig, Settings)> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    let name = path.display().to_string();
    let mut table = Table::parse(&name, &text)?;
    let blueprint = ModelConfig::read(&mut table)?;
    let settings = match table.take_table("training")? {
        Some(training) => Settings::read(training)?,
        None => Settings::default(),
    };
    table.finish()?;
    Ok((blueprint, settings))
}
