//! The flags of settings of training, built from their table.

use super::model_flags::ModelFlags;
use crate::error::Result;
use crate::nn::toml::ValueKind;
use crate::train::{Scope, Setting, TrainConfig, TrainSettings, settings_in};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// The flag of a setting.
fn arg(setting: Setting) -> Arg {
    let arg = Arg::new(setting.name).long(setting.name).help(setting.doc.clone());
    if setting.kind == ValueKind::Switch {
        return arg.action(ArgAction::SetTrue);
    }
    let signed = matches!(setting.kind, ValueKind::Number | ValueKind::Text);
    let value_name = setting.value_name;
    let check = move |text: &str| setting.check(text).map(|()| text.to_owned());
    arg.value_name(value_name).value_parser(check).allow_negative_numbers(signed)
}

/// A command with the flags of a scope.
fn with_flags(command: Command, scope: Scope) -> Command {
    command.args(settings_in(scope).into_iter().map(arg))
}

/// What flags of a scope were given.
fn given(matches: &ArgMatches, scope: Scope) -> TrainSettings {
    let mut given = TrainSettings::default();
    for Setting { name, kind, .. } in settings_in(scope) {
        match kind {
            ValueKind::Switch if matches.get_flag(name) => given.put(name, "true".to_owned()),
            ValueKind::Switch => {}
            _ => matches.get_one::<String>(name).into_iter().for_each(|value| given.put(name, value.clone())),
        }
    }
    given
}

/// Declares the flags of a scope as a group that verbs can have.
macro_rules! flags {
    ($(#[$doc:meta])* $name:ident, $scope:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name(pub(super) TrainSettings);

        impl clap::Args for $name {
            fn augment_args(command: Command) -> Command {
                with_flags(command, $scope)
            }

            fn augment_args_for_update(command: Command) -> Command {
                with_flags(command, $scope)
            }
        }

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(given(matches, $scope)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = given(matches, $scope);
                Ok(())
            }
        }
    };
}

flags!(
    /// The flags of `train`.
    TrainFlags,
    Scope::Train
);
flags!(
    /// The flags of verbs that only run steps.
    StepFlags,
    Scope::Measure
);
flags!(
    /// The flags of `tune` that hold for all its runs.
    FixedFlags,
    Scope::Tune
);

/// What flags and the model file ask for, in a run at this scope; flags override the file.
///
/// # Errors
/// If the file cannot be read, or settings do not go together.
fn config(flags: &TrainSettings, model: &ModelFlags, scope: Scope) -> Result<TrainConfig> {
    match model.read()? {
        Some((model, file)) => flags.clone().or(&file).config(Some(model), scope),
        None => flags.config(None, scope),
    }
}

impl TrainFlags {
    /// What they and the model file ask for.
    pub(super) fn config(&self, model: &ModelFlags) -> Result<TrainConfig> {
        config(&self.0, model, Scope::Train)
    }
}

impl StepFlags {
    /// What they and the model file ask for.
    pub(super) fn config(&self, model: &ModelFlags) -> Result<TrainConfig> {
        config(&self.0, model, Scope::Measure)
    }
}
