//! Adam.

use super::hyperparameter::{BETA1, BETA2, EPSILON};
use super::{Hyperparameter, Optimizer, UpdatePart, ValueMut};
use crate::error::Result;
use crate::ops::update::adam::{AdamKernel, AdamParams, Betas};
use crate::plan::{Plan, SlotId};

/// Adam by Kingma and Ba, ICLR 2015. [`crate::ops::update::adam`] has the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the running mean of gradients.
    pub beta1: f64,
    /// Decay of the running mean of their squares.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
}

impl Default for Adam {
    /// The paper's constants.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl Adam {
    /// The kernel's parameters for a part of which nothing decays.
    pub(super) fn params(&self, n: u32) -> AdamParams {
        let betas = Betas::new([self.beta1, self.beta2]);
        AdamParams { n, betas, epsilon: self.epsilon as f32, decayed: 0, decay: 0.0 }
    }
}

impl Optimizer for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn doc(&self) -> &'static str {
        "Adam"
    }

    fn settings(&mut self) -> Vec<(&'static Hyperparameter, ValueMut<'_>)> {
        let Self { beta1, beta2, epsilon } = self;
        vec![
            (&BETA1, ValueMut::Number(beta1)),
            (&BETA2, ValueMut::Number(beta2)),
            (&EPSILON, ValueMut::Number(epsilon)),
        ]
    }

    fn boxed(&self) -> Box<dyn Optimizer> {
        Box::new(*self)
    }

    fn state(&self) -> &'static [&'static str] {
        &["first_moment", "second_moment"]
    }

    fn betas(&self) -> [f64; 2] {
        [self.beta1, self.beta2]
    }

    fn record(&self, plan: &mut Plan, part: UpdatePart, bindings: &[(&str, SlotId)]) -> Result<()> {
        plan.dispatch("update", &AdamKernel, self.params(part.n), bindings)
    }

    fn as_adam(&self, part: UpdatePart) -> Option<AdamParams> {
        Some(self.params(part.n))
    }
}
