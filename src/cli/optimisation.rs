//! The flags of `train` that say how weights are updated.

use crate::error::{Error, Kind, Result};
use crate::nn::{Optimisation, Optimiser, Schedule};
use clap::ValueEnum;

/// Optimiser, schedule and clipping.
#[derive(Debug, clap::Args)]
pub(super) struct OptimisationFlags {
    /// How gradients move the weights
    #[arg(long, value_enum, default_value = "adam", value_name = "NAME")]
    optimizer: Name,
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
    #[arg(long, default_value = "constant", value_name = "constant|step:EVERY:GAMMA|cosine")]
    schedule: Schedule,
    /// Steps in which the learning rate first rises from 0
    #[arg(long, default_value_t = 0, value_name = "STEPS")]
    warmup: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Adam,
    Adamw,
    Sgd,
    Rmsprop,
}

impl OptimisationFlags {
    /// What the flags ask for.
    ///
    /// # Errors
    /// Where a flag has no meaning for the optimiser.
    pub(super) fn settings(&self) -> Result<Optimisation> {
        let refuse = |what: &str, advice: &str| Err(Error::new(Kind::Usage, what, advice));
        if self.optimizer != Name::Sgd && (self.momentum.is_some() || self.nesterov) {
            return refuse("momentum is of sgd only", "add --optimizer sgd, or leave --momentum and --nesterov out");
        }
        let weight_decay = self.weight_decay.unwrap_or(0.0);
        let optimiser = match self.optimizer {
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
        Ok(Optimisation { optimiser, schedule: self.schedule, warmup: self.warmup, clip_norm: self.clip_norm })
    }
}
