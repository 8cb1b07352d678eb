//! The settings that a user has given, from flags, from a file, or from a search.

use super::TrainConfig;
use super::setting::{Draft, Scope, Setting};
use super::settings::{USUAL_OPTIMIZER, settings, settings_in};
use crate::error::{Error, Kind, Result};
use crate::nn::ModelConfig;
use crate::nn::toml::{TomlTable, ValueKind};
use crate::text::quoted;
use std::collections::BTreeMap;

/// Two ways to say how long a run is.
const RIVALS: [&str; 2] = ["epochs", "steps"];

/// Values of settings as text, by name. Everything may be left out, and is then the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainSettings(BTreeMap<&'static str, String>);

impl TrainSettings {
    /// Gives a setting a value.
    pub fn put(&mut self, name: &'static str, value: String) {
        self.0.insert(name, value);
    }

    /// Takes the value of a setting away.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// The value of a setting, if it is given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Reads the table `training` of a model file: each setting by its key.
    ///
    /// # Errors
    /// If a key is unknown or its value cannot be used: gives file, line and column.
    pub fn read(mut table: TomlTable<'_>) -> Result<Self> {
        let mut given = Self::default();
        for setting in settings_in(Scope::File) {
            let read = |text: &str| setting.check(text).map(|()| text.to_owned());
            let value = table.take_as(&setting.key(), setting.kind, read)?;
            // A switch that is off might as well be left out.
            if let Some(value) = value.filter(|value| value != "false") {
                given.put(setting.name, value);
            }
        }
        table.finish()?;
        Ok(given)
    }

    /// These settings, and those of `file` that are not given here. What belongs to an optimizer goes with it: another
    /// one here takes nothing of the file's.
    #[must_use]
    pub fn or(mut self, file: &Self) -> Self {
        let theirs = file.get("optimizer").unwrap_or(USUAL_OPTIMIZER);
        let same = self.get("optimizer").is_none_or(|name| name == theirs);
        let has_length = RIVALS.iter().any(|name| self.get(name).is_some());
        for setting in settings() {
            if has_length && RIVALS.contains(&setting.name) {
                continue;
            }
            let value = file.get(setting.name).filter(|_| same || !setting.is_of_optimizer());
            if let Some(value) = value.filter(|_| self.get(setting.name).is_none()) {
                self.put(setting.name, value.to_owned());
            }
        }
        self
    }

    /// The configuration of a run at this scope, with the model of a file if there is one: what may not be given there is
    /// left out.
    ///
    /// # Errors
    /// If settings do not go together, such as one that the optimizer does not have.
    pub fn config(&self, model: Option<ModelConfig>, scope: Scope) -> Result<TrainConfig> {
        if RIVALS.iter().all(|name| self.get(name).is_some()) {
            let advice = "give --epochs or --steps, and leave the other out";
            return Err(Error::new(Kind::Usage, "both epochs and steps say how long to train", advice));
        }
        let mut draft = Draft::new(model);
        // An optimizer comes before its settings.
        let (of_optimizer, others): (Vec<_>, Vec<_>) = self.settings().partition(|setting| setting.is_of_optimizer());
        for setting in others.into_iter().chain(of_optimizer) {
            if let Some(value) = self.get(setting.name).filter(|_| setting.scopes.contains(&scope)) {
                setting.apply(&mut draft, value)?;
            }
        }
        Ok(draft.finish())
    }

    /// The settings that are given, in the order of the table.
    fn settings(&self) -> impl Iterator<Item = Setting> {
        settings().into_iter().filter(|setting| self.0.contains_key(setting.name))
    }

    /// The flags of `train` that give these settings, as a shell takes them, each behind a space.
    pub fn flags(&self) -> String {
        let flag = |setting: Setting| match (setting.kind, &self.0[setting.name]) {
            (ValueKind::Switch, _) => format!(" --{}", setting.name),
            (_, value) => format!(" --{} {}", setting.name, quoted(value)),
        };
        self.settings().map(flag).collect()
    }
}
