//! How weights are updated: optimizers, schedules of the learning rate, clipping; and their dispatches in a plan.
//!
//! An optimizer is one file here and one line in [`registry`]: its settings become flags of the command and keys of model
//! files. It is one dispatch over the flat arenas; clipping adds three and a schedule adds one, where they are on. Adam
//! needs no dispatch of its own where products give all gradients, as in a perceptron: they update the weights too.

mod adam;
mod adamw;
mod clip;
mod config;
mod fusion;
mod groups;
mod rmsprop;
mod schedule;
mod setting;
mod sgd;
mod update;

pub use adam::Adam;
pub use adamw::AdamW;
pub use config::UpdateConfig;
pub use groups::{Part, parameter_arena};
pub use rmsprop::RmsProp;
pub use schedule::Schedule;
pub use setting::{Field, Setting};
pub use sgd::Sgd;

use crate::error::{Error, Kind, Result};
use crate::ops::update::adam::AdamParams;
use crate::plan::{Plan, SlotId};
use std::fmt::Debug;

/// The rule by which gradients move the weights, with its settings.
pub trait Optimizer: Debug + Send + Sync {
    /// Its name on the command line and in model files.
    fn name(&self) -> &'static str;

    /// What it is, in a line of help.
    fn doc(&self) -> &'static str;

    /// Each setting with the field that holds it. What the fields hold in [`registry`] are the defaults.
    fn settings(&mut self) -> Vec<(&'static Setting, Field<'_>)>;

    /// The same optimizer with the same settings.
    fn boxed(&self) -> Box<dyn Optimizer>;

    /// Checks what does not concern one setting alone; [`UpdateConfig::validate`] checks the range of each.
    ///
    /// # Errors
    /// Names the settings that do not go together.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// One line for people: the name, and the settings that are not off or default.
    fn describe(&self) -> String {
        setting::described(self.name(), &*self.boxed())
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
    fn record(&self, plan: &mut Plan, part: Part, bindings: &[(&str, SlotId)]) -> Result<()>;

    /// The update of `part` as a step of Adam, which a product can do to the weights whose gradient it gives.
    fn as_adam(&self, _part: Part) -> Option<AdamParams> {
        None
    }
}

/// Every optimizer with its default settings.
pub fn registry() -> Vec<Box<dyn Optimizer>> {
    vec![Box::new(Adam::default()), Box::new(AdamW::default()), Box::new(Sgd::default()), Box::new(RmsProp::default())]
}

/// The optimizer of this name, with its default settings.
///
/// # Errors
/// Where there is none: lists all.
pub fn by_name(name: &str) -> Result<Box<dyn Optimizer>> {
    registry().into_iter().find(|optimizer| optimizer.name() == name).ok_or_else(|| {
        let known: Vec<_> = registry().iter().map(|optimizer| optimizer.name()).collect();
        usage(format!("no optimizer `{name}`"), format!("choose one of {}", known.join(", ")))
    })
}

fn usage(cause: impl Into<String>, advice: impl Into<String>) -> Error {
    Error::new(Kind::Usage, cause, advice)
}
