//! The list of optimizers, and what follows from all of them.

use super::{Adam, AdamW, Lion, Optimizer, RmsProp, Sgd};
use crate::error::{Error, Kind, Result};

/// Every optimizer with its default settings.
pub fn registry() -> Vec<Box<dyn Optimizer>> {
    vec![
        Box::new(Adam::default()),
        Box::new(AdamW::default()),
        Box::new(Sgd::default()),
        Box::new(RmsProp::default()),
        Box::new(Lion::default()),
    ]
}

/// The optimizer of this name, with its default settings.
///
/// # Errors
/// Where there is none: lists all.
pub fn by_name(name: &str) -> Result<Box<dyn Optimizer>> {
    registry().into_iter().find(|optimizer| optimizer.name() == name).ok_or_else(|| {
        let known: Vec<_> = registry().iter().map(|optimizer| optimizer.name()).collect();
        Error::new(Kind::Usage, format!("no optimizer `{name}`"), format!("choose one of {}", known.join(", ")))
    })
}

impl dyn Optimizer + '_ {
    /// Changes a setting; whether it can be used is checked by [`super::UpdateConfig::validate`].
    ///
    /// # Errors
    /// If it has no such setting: names the optimizers that have it.
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        match self.settings().into_iter().find(|(setting, _)| setting.name == name) {
            Some((_, mut field)) => {
                field.set(value);
                Ok(())
            }
            None => Err(self.has_no(name)),
        }
    }

    fn has_no(&self, name: &str) -> Error {
        let owners = registry().into_iter().filter(|other| other.value(name).is_some());
        let owners: Vec<_> = owners.map(|other| format!("--optimizer {}", other.name())).collect();
        let advice = format!("add {}, or leave --{name} out", owners.join(" or "));
        Error::new(Kind::Usage, format!("{} has no {}", self.name(), name.replace('-', " ")), advice)
    }

    /// One line for people: the name, and the settings that are neither off nor default.
    pub fn summary(&self) -> String {
        self.describe().unwrap_or_else(|| {
            let default = by_name(self.name()).ok();
            let told = self.values().into_iter().filter(|(setting, value)| {
                let default = default.as_ref().and_then(|default| default.value(setting.name));
                setting.off.or(default) != Some(*value)
            });
            told.fold(self.name().to_owned(), |text, (setting, value)| format!("{text}, {} {value}", setting.words()))
        })
    }
}
