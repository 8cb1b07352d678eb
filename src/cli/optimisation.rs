//! The flags of `train` that say how weights are updated.

use crate::error::{Error, Kind, Result};
use crate::nn::toml::Table;
use crate::nn::{Optimisation, Optimiser, Schedule};
use clap::ValueEnum;
use std::str::FromStr;

/// Optimiser, schedule and clipping.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct OptimisationFlags {
    /// How gradients move the weights [default: adam]
    #[arg(long, value_enum, value_name = "NAME")]
    optimizer: Option<Name>,
    /// How much of its velocity `sgd` keeps from step to step, below 1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    momentum: Option<f32>,
    /// Nesterov's momentum
    #[arg(long)]
    nesterov: bool,
    /// Decay of weights, not of biases: decoupled in `adamw` (0.01 unless given), L2 in `sgd` and `rmsprop`
    #[arg(long, value_name = "STRENGTH", allow_negative_numbers = true)]
    weight_decay: Option<f32>,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Name {
    #[default]
    Adam,
    Adamw,
    Sgd,
    Rmsprop,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        <Self as ValueEnum>::from_str(text, false).map_err(|_| {
            Error::new(Kind::Usage, format!("no optimizer `{text}`"), "choose one of adam, adamw, sgd, rmsprop")
        })
    }
}

impl OptimisationFlags {
    /// Takes the same settings out of a model file.
    ///
    /// # Errors
    /// Where one cannot be used: gives file, line and column.
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self> {
        Ok(Self {
            optimizer: table.take_named("optimizer")?,
            momentum: table.take("momentum")?,
            nesterov: table.take("nesterov")?.unwrap_or_default(),
            weight_decay: table.take("weight_decay")?,
            clip_norm: table.take("clip_norm")?,
            schedule: table.take_named("schedule")?,
            warmup: table.take("warmup")?,
        })
    }

    /// These settings, and those of `file` where there is none here. What belongs to an optimiser goes with it: another
    /// one here takes nothing of the file's.
    #[must_use]
    pub(super) fn or(self, file: Self) -> Self {
        let same = self.optimizer.is_none_or(|name| name == file.optimizer.unwrap_or_default());
        Self {
            optimizer: self.optimizer.or(file.optimizer),
            momentum: self.momentum.or(file.momentum.filter(|_| same)),
            nesterov: self.nesterov || (same && file.nesterov),
            weight_decay: self.weight_decay.or(file.weight_decay.filter(|_| same)),
            clip_norm: self.clip_norm.or(file.clip_norm),
            schedule: self.schedule.or(file.schedule),
            warmup: self.warmup.or(file.warmup),
        }
    }

    /// What the flags ask for.
    ///
    /// # Errors
    /// Where a flag has no meaning for the optimiser.
    pub(super) fn settings(&self) -> Result<Optimisation> {
        let refuse = |what: &str, advice: &str| Err(Error::new(Kind::Usage, what, advice));
        let name = self.optimizer.unwrap_or_default();
        if name != Name::Sgd && (self.momentum.is_some() || self.nesterov) {
            return refuse("momentum is of sgd only", "add --optimizer sgd, or leave --momentum and --nesterov out");
        }
        let weight_decay = self.weight_decay.unwrap_or(0.0);
        let optimiser = match name {
            Name::Adam if self.weight_decay.is_some() => {
                return refuse("adam has no weight decay", "add --optimizer adamw, or leave --weight-decay out");
            }
            Name::Adam => Optimiser::Adam,
            Name::Adamw => Optimiser::AdamW { weight_decay: self.weight_decay.unwrap_or(0.01) },
            Name::Sgd => {
                Optimiser::Sgd { momentum: self.momentum.unwrap_or(0.0), nesterov: self.nesterov, weight_decay }
            }
            Name::Rmsprop => Optimiser::RmsProp { weight_decay },
        };
        Ok(Optimisation {
            optimiser,
            schedule: self.schedule.unwrap_or_default(),
            warmup: self.warmup.unwrap_or_default(),
            clip_norm: self.clip_norm,
        })
    }
}
