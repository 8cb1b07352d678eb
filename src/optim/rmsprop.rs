//! RMSProp.

use super::hyperparameter::{ALPHA, EPSILON, WEIGHT_DECAY};
use super::{Hyperparameter, Optimizer, UpdatePart, ValueMut};
use crate::error::Result;
use crate::ops::update::rmsprop::{RmsPropKernel, RmsPropParams};
use crate::plan::{Plan, SlotId};

/// RMSProp without momentum. [`crate::ops::update::rmsprop`] has the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// Decay of the running mean of squared gradients.
    pub alpha: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Strength of L2 decay.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    /// As in PyTorch.
    fn default() -> Self {
        Self { alpha: 0.99, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

impl Optimizer for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn doc(&self) -> &'static str {
        "RMSProp"
    }

    fn settings(&mut self) -> Vec<(&'static Hyperparameter, ValueMut<'_>)> {
        vec![
            (&ALPHA, ValueMut::Number(&mut self.alpha)),
            (&EPSILON, ValueMut::Number(&mut self.epsilon)),
            (&WEIGHT_DECAY, ValueMut::Number(&mut self.weight_decay)),
        ]
    }

    fn boxed(&self) -> Box<dyn Optimizer> {
        Box::new(*self)
    }

    fn search(&self, setting: &str) -> Option<&'static str> {
        (setting == WEIGHT_DECAY.name).then_some("0..0.001")
    }

    fn state(&self) -> &'static [&'static str] {
        &["mean_square"]
    }

    fn record(&self, plan: &mut Plan, part: UpdatePart, bindings: &[(&str, SlotId)]) -> Result<()> {
        let (decayed, decay) = part.decay(self.weight_decay);
        let params = RmsPropParams { decayed, decay, ..RmsPropParams::new(part.n, self.alpha, self.epsilon) };
        plan.dispatch("update", &RmsPropKernel, params, bindings)
    }
}
