//! The flags of `tune` that say what is searched, and the search that they and the fixed settings make.

use super::settings::FixedFlags;
use crate::error::Result;
use crate::optim;
use crate::train::{Candidates, Distribution, Sample, Scope, Setting, Space, TrainConfig, TrainSettings, settings};
use clap::{Arg, ArgMatches, Command};
use serde_json::Value;

/// The values of each searched setting that is given, by its flag.
#[derive(Clone, Debug, Default)]
pub(super) struct SpaceFlags(Vec<(&'static str, String)>);

/// The flag of a searched setting. A flag of its name in `train` works, too.
fn arg(setting: Setting) -> Option<Arg> {
    let search = setting.search.clone()?;
    let drawn = match search.distribution {
        Distribution::Logarithmic => "; a range is drawn from log-uniformly",
        Distribution::Linear | Distribution::Names => "",
    };
    let usual = search.usual.map_or_else(|| usual_of_optimizers(setting.name), str::to_owned);
    let doc = setting.doc.split(" [default").next().unwrap_or_default();
    let arg = Arg::new(search.flag).long(search.flag).help(format!("{doc}{drawn} [default: {usual}]"));
    let arg = if search.flag == setting.name { arg } else { arg.alias(setting.name) };
    let kind = setting.kind;
    let check = move |text: &str| match Candidates::read(text, kind)? {
        Candidates::OneOf(list) => list.iter().try_for_each(|value| setting.check(value)).map(|()| text.to_owned()),
        _ => Ok::<_, crate::error::Error>(text.to_owned()),
    };
    Some(arg.value_name("VALUES").value_parser(check).allow_hyphen_values(true))
}

/// What is tried for a setting of optimizers, by optimizer.
fn usual_of_optimizers(name: &str) -> String {
    let usual =
        |optimizer: Box<dyn optim::Optimizer>| Some(format!("{} in {}", optimizer.search(name)?, optimizer.name()));
    optim::registry().into_iter().filter_map(usual).collect::<Vec<_>>().join(", ")
}

impl clap::Args for SpaceFlags {
    fn augment_args(command: Command) -> Command {
        command.args(settings().into_iter().filter_map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SpaceFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = settings().into_iter().filter_map(|setting| Some(setting.search?.flag));
        let given = flags.filter_map(|flag| Some((flag, matches.get_one::<String>(flag)?.clone())));
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A search as described by the flags.
pub(super) struct TuneSearch {
    pub(super) space: Space,
    /// The settings of all runs.
    fixed: TrainSettings,
    /// The same as a configuration, with defaults for what is searched.
    pub(super) config: TrainConfig,
}

impl TuneSearch {
    /// # Errors
    /// If no run could use a setting; names the first.
    pub(super) fn new(space: &SpaceFlags, fixed: &FixedFlags) -> Result<Self> {
        let mut fixed = fixed.0.clone();
        if fixed.get("optimizer").is_none() {
            fixed.put("optimizer", "adamw".to_owned());
        }
        let config = fixed.config(None, Scope::Train)?;
        config.validate()?;
        // The seed of the search is each run's, and is written down beside the rest.
        fixed.take("seed");
        Ok(Self { space: Space::new(&space.0, &*config.update.optimizer)?, fixed, config })
    }

    /// The settings of the run of `epochs` epochs of this sample.
    fn settings(&self, sample: &Sample, epochs: usize) -> TrainSettings {
        let mut settings = sample.settings(&self.fixed, &*self.config.update.optimizer);
        settings.put("epochs", epochs.to_string());
        settings.put("seed", self.config.seed.to_string());
        settings
    }

    /// The configuration of that run.
    ///
    /// # Errors
    /// None for samples of the space, whose values were checked.
    pub(super) fn run(&self, sample: &Sample, epochs: usize) -> Result<TrainConfig> {
        self.settings(sample, epochs).config(None, Scope::Train)
    }

    /// The `train` flags of that run, each after a space.
    pub(super) fn train_flags(&self, sample: &Sample, epochs: usize) -> String {
        self.settings(sample, epochs).flags()
    }

    /// What is searched and what is fixed, for the journal.
    pub(super) fn json(&self) -> [Value; 2] {
        [self.space.json(), self.fixed.flags().trim_start().into()]
    }
}
