//! The flags that say how weights are updated.

use super::data_flags::flag;
use crate::error::{Error, Result};
use crate::nn::toml::Table;
use crate::optim::{Schedule, UpdateConfig, by_name, registry};
use clap::builder::PossibleValuesParser;
use std::str::FromStr;

/// Optimizer, schedule and clipping; all but the weight decay, which `train` is given and `tune` searches for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct OptimisationFlags {
    /// How gradients move the weights [default: adam, in a search adamw]
    #[arg(long, value_parser = names(), value_name = "NAME")]
    pub(super) optimizer: Option<String>,
    /// How much of its velocity `sgd` keeps from step to step, below 1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    momentum: Option<f64>,
    /// Nesterov's momentum
    #[arg(long)]
    nesterov: bool,
    /// Largest norm of all gradients together; longer ones are scaled to it
    #[arg(long, value_name = "NORM", allow_negative_numbers = true)]
    clip_norm: Option<f32>,
    /// Learning rate over the run, after the warm-up: times GAMMA every EVERY steps, or by a cosine to 0
    /// [default: constant]
    #[arg(long, value_name = "constant|step:EVERY:GAMMA|cosine")]
    schedule: Option<Schedule>,
    /// Steps in which the learning rate first rises from 0 [default: 0]
    #[arg(long, value_name = "STEPS")]
    warmup: Option<u32>,
}

/// The names of all optimizers.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(registry().iter().map(|optimizer| optimizer.name()))
}

/// The name of an optimizer, read from a model file.
struct Named(String);

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        by_name(text).map(|optimizer| Self(optimizer.name().to_owned()))
    }
}

/// What is taken where none is named.
const USUAL: &str = "adam";

impl OptimisationFlags {
    /// Takes the same settings out of a model file.
    ///
    /// # Errors
    /// Where one cannot be used: gives file, line and column.
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self> {
        Ok(Self {
            optimizer: table.take_named::<Named>("optimizer")?.map(|Named(name)| name),
            momentum: table.take("momentum")?,
            nesterov: table.take("nesterov")?.unwrap_or_default(),
            clip_norm: table.take("clip_norm")?,
            schedule: table.take_named("schedule")?,
            warmup: table.take("warmup")?,
        })
    }

    /// These settings, and those of `file` where there is none here. What belongs to an optimizer goes with it: another
    /// one here takes nothing of the file's.
    #[must_use]
    pub(super) fn or(self, file: Self) -> Self {
        let same = self.keeps_optimizer_of(&file);
        Self {
            optimizer: self.optimizer.or(file.optimizer),
            momentum: self.momentum.or(file.momentum.filter(|_| same)),
            nesterov: self.nesterov || (same && file.nesterov),
            clip_norm: self.clip_norm.or(file.clip_norm),
            schedule: self.schedule.or(file.schedule),
            warmup: self.warmup.or(file.warmup),
        }
    }

    /// Whether these settings leave the optimizer as `file` has it.
    pub(super) fn keeps_optimizer_of(&self, file: &Self) -> bool {
        self.optimizer.as_ref().is_none_or(|name| name == file.optimizer.as_deref().unwrap_or(USUAL))
    }

    /// The flags as a shell takes them, each behind a space.
    pub(super) fn repeated(&self) -> String {
        let Self { optimizer, momentum, nesterov, clip_norm, schedule, warmup } = self;
        [
            flag("optimizer", optimizer.as_ref()),
            flag("momentum", *momentum),
            if *nesterov { " --nesterov".to_owned() } else { String::new() },
            flag("clip-norm", *clip_norm),
            flag("schedule", *schedule),
            flag("warmup", *warmup),
        ]
        .concat()
    }

    /// What the flags ask for, with this learning rate and this weight decay where one is given.
    ///
    /// # Errors
    /// Where a flag has no meaning for the optimizer.
    pub(super) fn settings(&self, learning_rate: Option<f32>, weight_decay: Option<f64>) -> Result<UpdateConfig> {
        let mut optimizer = by_name(self.optimizer.as_deref().unwrap_or(USUAL))?;
        let nesterov = self.nesterov.then_some(1.0);
        for (name, value) in [("momentum", self.momentum), ("nesterov", nesterov), ("weight_decay", weight_decay)] {
            value.map_or(Ok(()), |value| optimizer.set(name, value))?;
        }
        let usual = UpdateConfig::default();
        Ok(UpdateConfig {
            optimizer: optimizer.into(),
            learning_rate: learning_rate.unwrap_or(usual.learning_rate),
            schedule: self.schedule.unwrap_or_default(),
            warmup: self.warmup.unwrap_or_default(),
            clip_norm: self.clip_norm,
        })
    }
}
