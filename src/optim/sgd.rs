//! Stochastic gradient descent.

use super::hyperparameter::{MOMENTUM, NESTEROV, WEIGHT_DECAY};
use super::{Hyperparameter, Optimizer, UpdatePart, ValueMut};
use crate::error::{Error, Kind, Result};
use crate::ops::update::sgd::{SgdKernel, SgdParams};
use crate::plan::{Plan, SlotId};

/// Stochastic gradient descent with momentum. [`crate::ops::update::sgd`] has the formula. The default is plain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sgd {
    /// Share of the velocity that a step keeps, 0 to below 1.
    pub momentum: f64,
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
    /// Strength of L2 decay.
    pub weight_decay: f64,
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn doc(&self) -> &'static str {
        "stochastic gradient descent, with momentum if given"
    }

    fn settings(&mut self) -> Vec<(&'static Hyperparameter, ValueMut<'_>)> {
        vec![
            (&MOMENTUM, ValueMut::Number(&mut self.momentum)),
            (&NESTEROV, ValueMut::Switch(&mut self.nesterov)),
            (&WEIGHT_DECAY, ValueMut::Number(&mut self.weight_decay)),
        ]
    }

    fn boxed(&self) -> Box<dyn Optimizer> {
        Box::new(*self)
    }

    fn validate(&self) -> Result<()> {
        if self.nesterov && self.momentum == 0.0 {
            let advice = "give the momentum too, such as --nesterov --momentum 0.9";
            return Err(Error::new(Kind::Usage, "Nesterov momentum of 0", advice));
        }
        Ok(())
    }

    fn describe(&self) -> Option<String> {
        let form = if self.nesterov { "Nesterov " } else { "" };
        let momentum = match self.momentum {
            0.0 => String::new(),
            momentum => format!(", {form}momentum {momentum}"),
        };
        let decay = match self.weight_decay {
            0.0 => String::new(),
            decay => format!(", weight decay {decay}"),
        };
        Some(format!("sgd{momentum}{decay}"))
    }

    fn search(&self, setting: &str) -> Option<&'static str> {
        (setting == WEIGHT_DECAY.name).then_some("0..0.001")
    }

    fn state(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn record(&self, plan: &mut Plan, part: UpdatePart, bindings: &[(&str, SlotId)]) -> Result<()> {
        let (decayed, decay) = part.decay(self.weight_decay);
        let (momentum, nesterov) = (self.momentum as f32, self.nesterov.into());
        plan.dispatch("update", &SgdKernel, SgdParams { n: part.n, momentum, nesterov, decayed, decay }, bindings)
    }
}
