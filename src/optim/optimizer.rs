//! What an optimizer is.

use super::groups::UpdatePart;
use super::hyperparameter::{Hyperparameter, ValueMut};
use crate::error::Result;
use crate::ops::update::adam::AdamParams;
use crate::plan::{Plan, SlotId};
use std::fmt::Debug;

/// The rule by which gradients move the weights, with its settings.
pub trait Optimizer: Debug + Send + Sync {
    /// Its name on the command line and in model files.
    fn name(&self) -> &'static str;

    /// What it is, in a line of help.
    fn doc(&self) -> &'static str;

    /// Each setting with the field that holds it. What the fields hold in [`super::registry()`] are the defaults.
    fn settings(&mut self) -> Vec<(&'static Hyperparameter, ValueMut<'_>)>;

    /// The same optimizer with the same settings.
    fn boxed(&self) -> Box<dyn Optimizer>;

    /// Checks what does not concern one setting alone; [`super::UpdateConfig::validate`] checks the range of each.
    ///
    /// # Errors
    /// Names the settings that do not go together.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Name and settings in words, if they are not best listed one by one.
    fn describe(&self) -> Option<String> {
        None
    }

    /// What a search tries for a setting where the user does not say: values as `tune` reads them.
    fn search(&self, _setting: &str) -> Option<&'static str> {
        None
    }

    /// The arenas that it keeps from step to step, each as long as the weights: the names of its kernel's bindings.
    fn state(&self) -> &'static [&'static str];

    /// Decays of the two running means whose start at zero `rates` corrects for; zeros where there is nothing to correct.
    fn betas(&self) -> [f64; 2] {
        [0.0; 2]
    }

    /// Records the update of `part`. The bindings are `gradient`, `rates`, `weight` and those of [`Self::state`].
    ///
    /// # Errors
    /// Where the kernel has other bindings.
    fn record(&self, plan: &mut Plan, part: UpdatePart, bindings: &[(&str, SlotId)]) -> Result<()>;

    /// The update of `part` as a step of Adam, which a product can do to the weights whose gradient it gives.
    fn as_adam(&self, _part: UpdatePart) -> Option<AdamParams> {
        None
    }
}

impl dyn Optimizer + '_ {
    /// Every setting with what it is.
    pub fn values(&self) -> Vec<(&'static Hyperparameter, f64)> {
        self.boxed().settings().into_iter().map(|(setting, field)| (setting, field.get())).collect()
    }

    /// What a setting is, if the optimizer has it.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values().into_iter().find(|(setting, _)| setting.name == name).map(|(_, value)| value)
    }
}
