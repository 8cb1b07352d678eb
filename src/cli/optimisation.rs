//! The flags that say how weights are updated.

use super::data_flags::flag;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::Table;
use crate::nn::{Optimisation, Optimiser, Schedule};
use clap::ValueEnum;
use std::str::FromStr;

/// Optimiser, schedule and clipping; all but the weight decay, which `train` is given and `tune` searches for.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct OptimisationFlags {
    /// How gradients move the weights [default: adam, in a search adamw]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) optimizer: Option<Name>,
    /// How much of its velocity `sgd` keeps from step to step, below 1
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    momentum: Option<f32>,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Name {
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
            clip_norm: table.take("clip_norm")?,
            schedule: table.take_named("schedule")?,
            warmup: table.take("warmup")?,
        })
    }

    /// These settings, and those of `file` where there is none here. What belongs to an optimiser goes with it: another
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

    /// Whether these settings leave the optimiser as `file` has it.
    pub(super) fn keeps_optimizer_of(&self, file: &Self) -> bool {
        self.optimizer.is_none_or(|name| name == file.optimizer.unwrap_or_default())
    }

    /// The flags as a shell takes them, each behind a space.
    pub(super) fn repeated(&self) -> String {
        let Self { optimizer, momentum, nesterov, clip_norm, schedule, warmup } = self;
        let name = optimizer.as_ref().and_then(ValueEnum::to_possible_value);
        [
            flag("optimizer", name.as_ref().map(|name| name.get_name())),
            flag("momentum", *momentum),
            if *nesterov { " --nesterov".to_owned() } else { String::new() },
            flag("clip-norm", *clip_norm),
            flag("schedule", *schedule),
            flag("warmup", *warmup),
        ]
        .concat()
    }

    /// What the flags ask for, with this weight decay where one is given.
    ///
    /// # Errors
    /// Where a flag has no meaning for the optimiser.
    pub(super) fn settings(&self, weight_decay: Option<f32>) -> Result<Optimisation> {
        let refuse = |what: &str, advice: &str| Err(Error::new(Kind::Usage, what, advice));
        let name = self.optimizer.unwrap_or_default();
        if name != Name::Sgd && (self.momentum.is_some() || self.nesterov) {
            return refuse("momentum is of sgd only", "add --optimizer sgd, or leave --momentum and --nesterov out");
        }
        let strength = weight_decay.unwrap_or(0.0);
        let optimiser = match name {
            Name::Adam if weight_decay.is_some() => {
                return refuse("adam has no weight decay", "add --optimizer adamw, or leave --weight-decay out");
            }
            Name::Adam => Optimiser::Adam,
            Name::Adamw => Optimiser::AdamW { weight_decay: weight_decay.unwrap_or(0.01) },
            Name::Sgd => {
                let momentum = self.momentum.unwrap_or(0.0);
                Optimiser::Sgd { momentum, nesterov: self.nesterov, weight_decay: strength }
            }
            Name::Rmsprop => Optimiser::RmsProp { weight_decay: strength },
        };
        Ok(Optimisation {
            optimiser,
            schedule: self.schedule.unwrap_or_default(),
            warmup: self.warmup.unwrap_or_default(),
            clip_norm: self.clip_norm,
            most_fused: None,
        })
    }
}
