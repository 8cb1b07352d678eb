//! Data set flags shared by the subcommands.

use crate::data::{Amount, Flaw, Preparation, Source};
use crate::text::quoted;
use std::fmt::Display;

/// Default fraction of training images that a search holds out.
pub(super) const TUNING_VALIDATION: Amount = Amount::Share(0.1);

/// The data set, and how many of its test images to use.
#[derive(Debug, clap::Args)]
pub(super) struct DataFlags {
    #[arg(long = "data", default_value = "digits", value_name = Source::values())]
    #[arg(help = format!("The data set: {}", Source::help()))]
    pub(super) source: Source,
    /// Use at most this many test images, with class proportions preserved
    #[arg(long, value_name = "N")]
    test_limit: Option<usize>,
    /// Seed for selecting images with --test-limit, --train-limit and --validation
    #[arg(long, default_value_t = 1, value_name = "N")]
    split_seed: u64,
}

/// Selection of training images.
#[derive(Debug, clap::Args)]
pub(super) struct TrainingDataFlags {
    /// Use at most this many training images, with class proportions preserved
    #[arg(long, value_name = "N")]
    train_limit: Option<usize>,
    /// Hold out a fraction or number of training images for validation after each epoch
    #[arg(long, value_name = "SHARE|N")]
    validation: Option<Amount>,
    /// Drop training images with flaws found by `data check`: blank, constant, duplicate, outlier, label
    #[arg(long, value_delimiter = ',', value_name = "FLAW[,FLAW...]")]
    drop: Vec<Flaw>,
}

impl DataFlags {
    /// The preparation these flags describe; all training images are used if `training` is not given.
    pub(super) fn preparation(&self, training: Option<&TrainingDataFlags>) -> Preparation {
        Preparation {
            drop: training.map_or(Vec::new(), |flags| flags.drop.clone()),
            train_limit: training.and_then(|flags| flags.train_limit),
            test_limit: self.test_limit,
            validation: training.and_then(|flags| flags.validation),
            seed: self.split_seed,
        }
    }

    /// The flags that reproduce `preparation`, quoted for a shell, each after a space.
    pub(super) fn repeated(&self, preparation: &Preparation) -> String {
        let Preparation { drop, train_limit, test_limit, validation, seed } = preparation;
        let flaws = drop.iter().map(Flaw::to_string).collect::<Vec<_>>().join(",");
        [
            flag("data", Some(&self.source)),
            flag("drop", Some(flaws).filter(|flaws| !flaws.is_empty())),
            flag("train-limit", *train_limit),
            flag("test-limit", *test_limit),
            flag("validation", *validation),
            flag("split-seed", Some(seed)),
        ]
        .concat()
    }
}

/// ` --NAME VALUE`, if there is a value.
pub(super) fn flag(name: &str, value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| format!(" --{name} {}", quoted(&value.to_string())))
}
