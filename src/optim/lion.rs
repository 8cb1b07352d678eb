//! Lion.

use super::hyperparameter::{BETA1, BETA2, WEIGHT_DECAY};
use super::{Hyperparameter, Optimizer, UpdatePart, ValueMut};
use crate::error::Result;
use crate::ops::update::adam::Betas;
use crate::ops::update::lion::{LionKernel, LionParams};
use crate::plan::{Plan, SlotId};

/// Lion, by Chen et al., NeurIPS 2023, whose steps are of one size: use a tenth of Adam's learning rate.
/// [`crate::ops::update::lion`] has the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// Share of the momentum in the direction of a step.
    pub beta1: f64,
    /// Decay of the momentum.
    pub beta2: f64,
    /// Strength of the decoupled decay, before the learning rate.
    pub weight_decay: f64,
}

impl Default for Lion {
    /// The paper's betas, without weight decay.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl Optimizer for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn doc(&self) -> &'static str {
        "Lion"
    }

    fn settings(&mut self) -> Vec<(&'static Hyperparameter, ValueMut<'_>)> {
        vec![
            (&BETA1, ValueMut::Number(&mut self.beta1)),
            (&BETA2, ValueMut::Number(&mut self.beta2)),
            (&WEIGHT_DECAY, ValueMut::Number(&mut self.weight_decay)),
        ]
    }

    fn boxed(&self) -> Box<dyn Optimizer> {
        Box::new(*self)
    }

    fn search(&self, setting: &str) -> Option<&'static str> {
        (setting == WEIGHT_DECAY.name).then_some("0..1")
    }

    fn state(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn record(&self, plan: &mut Plan, part: UpdatePart, bindings: &[(&str, SlotId)]) -> Result<()> {
        let (decayed, decay) = part.decay(self.weight_decay);
        let betas = Betas::new([self.beta1, self.beta2]);
        plan.dispatch("update", &LionKernel, LionParams { n: part.n, betas, decayed, decay }, bindings)
    }
}
