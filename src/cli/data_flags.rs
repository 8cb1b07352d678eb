//! The flags that say which images to work on, shared by the verbs.

use crate::data::{Amount, Flaw, Preparation, Source};
use crate::text::quoted;
use std::fmt::Display;

/// Of the training images, what a search sets aside where it is not told.
pub(super) const TUNING_VALIDATION: Amount = Amount::Share(0.1);

/// Which data set, and how much of its test images.
#[derive(Debug, clap::Args)]
pub(super) struct DataFlags {
    #[arg(long = "data", default_value = "digits", value_name = Source::values())]
    #[arg(help = format!("The data set: {}", Source::help()))]
    pub(super) source: Source,
    /// Test on at most this many images, drawn so that each class keeps its share
    #[arg(long, value_name = "N")]
    test_limit: Option<usize>,
    /// Seed of what is drawn by --test-limit, --train-limit and --validation
    #[arg(long, default_value_t = 1, value_name = "N")]
    split_seed: u64,
}

/// Which of the training images to train on.
#[derive(Debug, clap::Args)]
pub(super) struct TrainingDataFlags {
    /// Use at most this many training images, drawn so that each class keeps its share
    #[arg(long, value_name = "N")]
    train_limit: Option<usize>,
    /// Set a share or a number of the training images aside, and score the model on them after each epoch
    #[arg(long, value_name = "SHARE|N")]
    validation: Option<Amount>,
    /// Leave out training images with a flaw that `data check` finds: blank, constant, duplicate, outlier, label
    #[arg(long, value_delimiter = ',', value_name = "FLAW[,FLAW...]")]
    drop: Vec<Flaw>,
}

impl DataFlags {
    /// What to do to the data set; all of its training images are used where `training` is not given.
    pub(super) fn preparation(&self, training: Option<&TrainingDataFlags>) -> Preparation {
        Preparation {
            drop: training.map_or(Vec::new(), |flags| flags.drop.clone()),
            train_limit: training.and_then(|flags| flags.train_limit),
            test_limit: self.test_limit,
            validation: training.and_then(|flags| flags.validation),
            seed: self.split_seed,
        }
    }

    /// The flags that lead to `preparation`, as a shell takes them, each behind a space.
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

/// ` --NAME VALUE`, where there is a value.
pub(super) fn flag(name: &str, value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| format!(" --{name} {}", quoted(&value.to_string())))
}
