//! AdamW.

use super::hyperparameter::WEIGHT_DECAY;
use super::{Adam, Hyperparameter, Optimizer, UpdatePart, ValueMut};
use crate::error::Result;
use crate::ops::update::adam::{AdamKernel, AdamParams};
use crate::plan::{Plan, SlotId};

/// Adam with decoupled weight decay, by Loshchilov and Hutter, ICLR 2019. [`crate::ops::update::adam`] has the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// What it shares with Adam.
    pub adam: Adam,
    /// Strength of the decay, before the learning rate.
    pub weight_decay: f64,
}

impl Default for AdamW {
    /// As in PyTorch.
    fn default() -> Self {
        Self { adam: Adam::default(), weight_decay: 0.01 }
    }
}

impl AdamW {
    fn params(&self, part: UpdatePart) -> AdamParams {
        let (decayed, decay) = part.decay(self.weight_decay);
        AdamParams { decayed, decay, ..self.adam.params(part.n) }
    }
}

impl Optimizer for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn doc(&self) -> &'static str {
        "Adam with decoupled weight decay"
    }

    fn settings(&mut self) -> Vec<(&'static Hyperparameter, ValueMut<'_>)> {
        let mut settings = self.adam.settings();
        settings.push((&WEIGHT_DECAY, ValueMut::Number(&mut self.weight_decay)));
        settings
    }

    fn boxed(&self) -> Box<dyn Optimizer> {
        Box::new(*self)
    }

    fn search(&self, setting: &str) -> Option<&'static str> {
        (setting == WEIGHT_DECAY.name).then_some("0..0.1")
    }

    fn state(&self) -> &'static [&'static str] {
        self.adam.state()
    }

    fn betas(&self) -> [f64; 2] {
        self.adam.betas()
    }

    fn record(&self, plan: &mut Plan, part: UpdatePart, bindings: &[(&str, SlotId)]) -> Result<()> {
        plan.dispatch("update", &AdamKernel, self.params(part), bindings)
    }

    fn as_adam(&self, part: UpdatePart) -> Option<AdamParams> {
        Some(self.params(part))
    }
}
