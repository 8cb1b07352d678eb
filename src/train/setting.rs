//! What a setting of training is, and how its value gets into a configuration.

use super::TrainConfig;
use super::search::{Distribution, Search};
use crate::error::{Error, Kind, Result};
use crate::nn::toml::ValueKind;
use crate::nn::{Activation, MlpConfig, ModelConfig};
use std::num::{ParseFloatError, ParseIntError};
use std::str::FromStr;

/// Where a setting may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Flags of `train`.
    Train,
    /// Flags of the verbs that only run steps, `profile` and `tune-kernels`.
    Measure,
    /// The table `training` of a model file.
    File,
    /// Flags of `tune` that hold for all its runs.
    Tune,
}

/// A setting of training.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its flag without the dashes, such as `batch-size`.
    pub name: &'static str,
    /// Its help, with the default.
    pub doc: String,
    /// What the help calls its value.
    pub value_name: &'static str,
    /// What kind of value it is.
    pub kind: ValueKind,
    /// Where it may be given.
    pub scopes: &'static [Scope],
    /// How `tune` searches it, if it does.
    pub search: Option<Search>,
    pub(super) apply: Apply,
}

/// What a value does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Apply {
    /// It is read and stored.
    Store(fn(&mut Draft, &str) -> Result<()>),
    /// It is a setting of the optimizer.
    Optimizer,
}

/// A configuration that settings are applied to.
pub(super) struct Draft {
    pub(super) config: TrainConfig,
    /// The perceptron to train, unless a file gives the layers.
    pub(super) perceptron: Option<Perceptron>,
}

/// What flags say of a perceptron.
pub(super) struct Perceptron {
    pub(super) hidden: Vec<usize>,
    pub(super) activation: Activation,
    pub(super) dropout: f64,
}

impl Draft {
    /// The defaults, with the model of a file if there is one.
    pub(super) fn new(model: Option<ModelConfig>) -> Self {
        let perceptron = Perceptron { hidden: vec![1024], activation: Activation::default(), dropout: 0.0 };
        let perceptron = model.is_none().then_some(perceptron);
        let usual = TrainConfig::default();
        Self { config: TrainConfig { model: model.unwrap_or(usual.model.clone()), ..usual }, perceptron }
    }

    /// The configuration.
    pub(super) fn finish(mut self) -> TrainConfig {
        if let Some(Perceptron { hidden, activation, dropout }) = self.perceptron {
            let (loss, initializer) = (self.config.model.loss.clone(), self.config.model.initializer);
            self.config.model = ModelConfig::mlp(&hidden, &MlpConfig { activation, dropout, loss, initializer });
        }
        self.config
    }
}

impl Setting {
    /// A setting whose values `apply` stores, given where `scopes` say; with a search, `tune` has flags for it.
    pub(super) fn new(
        name: &'static str,
        (kind, value_name): (ValueKind, &'static str),
        scopes: &'static [Scope],
        doc: impl Into<String>,
        apply: fn(&mut Draft, &str) -> Result<()>,
    ) -> Self {
        Self { name, doc: doc.into(), value_name, kind, scopes, search: None, apply: Apply::Store(apply) }
    }

    /// The same, searched by a flag of `tune`; see [`Search`].
    pub(super) fn searched(
        self,
        (flag, words): (&'static str, &str),
        distribution: Distribution,
        usual: &'static str,
        valid: fn(f64) -> bool,
        range: &'static str,
    ) -> Self {
        Self {
            search: Some(Search { flag, words: words.to_owned(), distribution, usual: Some(usual), valid, range }),
            ..self
        }
    }

    /// Its key in model files: its name with `_` for `-`.
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether it is one of an optimizer's.
    pub fn is_of_optimizer(&self) -> bool {
        matches!(self.apply, Apply::Optimizer)
    }

    /// Checks that a value can be read. What it may be is checked by [`TrainConfig::validate`].
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self, text: &str) -> Result<()> {
        match self.apply {
            Apply::Store(apply) => apply(&mut Draft::new(None), text),
            Apply::Optimizer => number(text).map(|_| ()),
        }
    }

    pub(super) fn apply(&self, draft: &mut Draft, text: &str) -> Result<()> {
        match self.apply {
            Apply::Store(apply) => apply(draft, text),
            Apply::Optimizer => {
                let mut optimizer = draft.config.update.optimizer.boxed();
                optimizer.set(self.name, number(text)?)?;
                draft.config.update.optimizer = optimizer.into();
                Ok(())
            }
        }
    }
}

/// An error of reading a value.
pub(super) trait ReadError {
    /// The same as this crate's.
    fn into_error(self) -> Error;
}

impl ReadError for Error {
    fn into_error(self) -> Error {
        self
    }
}

impl ReadError for ParseIntError {
    fn into_error(self) -> Error {
        Error::new(Kind::Usage, self.to_string(), "give a whole number of 0 or more")
    }
}

impl ReadError for ParseFloatError {
    fn into_error(self) -> Error {
        Error::new(Kind::Usage, self.to_string(), "give a number")
    }
}

/// Reads a value.
pub(super) fn read<T: FromStr<Err: ReadError>>(text: &str) -> Result<T> {
    text.parse().map_err(ReadError::into_error)
}

/// A number as optimizers take it: 1 for true.
fn number(text: &str) -> Result<f64> {
    match text {
        "true" => Ok(1.0),
        "false" => Ok(0.0),
        number => read(number),
    }
}
