//! Every setting of training, once: name, help, parser, default, and where it may be given.
//!
//! Flags, keys of model files, the search space of `tune`, its journal and the commands it prints follow from this table.
//! The settings of optimizers join it from [`crate::optim::registry()`].

use super::search::{Distribution, Search};
use super::setting::{Apply, Draft, Perceptron, Scope, Setting, read};
use crate::error::Result;
use crate::nn::Activation;
use crate::nn::toml::ValueKind;
use crate::optim::{self, by_name};

const RUN: &[Scope] = &[Scope::Train, Scope::File];
const STEP: &[Scope] = &[Scope::Train, Scope::Measure, Scope::File];
const SHARED: &[Scope] = &[Scope::Train, Scope::Measure, Scope::File, Scope::Tune];
/// Model files have keys of their own for what makes up a model.
const MODEL: &[Scope] = &[Scope::Train, Scope::Measure, Scope::Tune];
const PERCEPTRON: &[Scope] = &[Scope::Train, Scope::Measure];

/// What reads a value and stores it in a field of [`TrainConfig`], which may be optional.
macro_rules! store {
    (some $($field:ident).+) => {
        |draft, text| {
            draft.config.$($field).+ = Some(read(text)?);
            Ok(())
        }
    };
    ($($field:ident).+) => {
        |draft, text| {
            draft.config.$($field).+ = read(text)?;
            Ok(())
        }
    };
}

/// The table. Help and commands list settings in this order, and `tune` draws them in it.
pub fn settings() -> Vec<Setting> {
    [sizes(), update(), model(), run()].concat()
}

/// The settings at a scope.
pub fn settings_in(scope: Scope) -> Vec<Setting> {
    settings().into_iter().filter(|setting| setting.scopes.contains(&scope)).collect()
}

/// Changes the perceptron, unless a file gives the layers.
fn on_perceptron(draft: &mut Draft, change: impl FnOnce(&mut Perceptron)) -> Result<()> {
    draft.perceptron.as_mut().map_or(Ok(()), |perceptron| {
        change(perceptron);
        Ok(())
    })
}

fn sizes() -> Vec<Setting> {
    let (whole, number, text) = (ValueKind::Whole, ValueKind::Number, ValueKind::Text);
    vec![
        Setting::new("lr", (number, "RATE"), STEP, "Learning rate [default: 0.001]", store!(update.learning_rate))
            .searched(
                ("lr", "learning rate"),
                Distribution::Logarithmic,
                "1e-4..1e-2",
                |x| x > 0.0 && (x as f32).is_normal(),
                "finite numbers above 0",
            ),
        Setting::new("width", (whole, "N"), &[], "Widths of the hidden layers, all alike", |draft, text| {
            let width = read(text)?;
            on_perceptron(draft, |perceptron| perceptron.hidden.fill(width))
        })
        .searched(("width", "width"), Distribution::Logarithmic, "64..1024", |x| x >= 1.0, "1 or more"),
        Setting::new("depth", (whole, "N"), &[], "Numbers of hidden layers", |draft, text| {
            let depth = read(text)?;
            on_perceptron(draft, |Perceptron { hidden, .. }| hidden.resize(depth, hidden.first().copied().unwrap_or(1)))
        })
        .searched(
            ("depth", "depth"),
            Distribution::Linear,
            "1..3",
            |x| (1.0..=64.0).contains(&x),
            "1 to 64 hidden layers",
        ),
        Setting::new(
            "hidden",
            (text, "WIDTH[,WIDTH...]"),
            PERCEPTRON,
            "Widths of the hidden layers, from the input on, such as 512,256 [default: 1024]",
            |draft, text| {
                let widths = text.split(',').map(read).collect::<Result<Vec<usize>>>()?;
                on_perceptron(draft, |perceptron| perceptron.hidden = widths)
            },
        ),
        Setting::new("batch-size", (whole, "N"), STEP, "Items in a training step [default: 128]", store!(batch_size))
            .searched(("batch", "batch size"), Distribution::Logarithmic, "32,128,512", |x| x >= 1.0, "1 or more"),
        Setting::new(
            "micro-batch",
            (whole, "N"),
            STEP,
            "Accumulate gradients over micro-batches of N items: the same updates in less memory [default: all]",
            store!(some micro_batch),
        ),
        Setting::new(
            "dropout",
            (number, "SHARE"),
            PERCEPTRON,
            "Share of each hidden layer's outputs that training drops [default: 0]",
            |draft, text| {
                let share = read(text)?;
                on_perceptron(draft, |perceptron| perceptron.dropout = share)
            },
        )
        .searched(
            ("dropout", "dropout"),
            Distribution::Linear,
            "0..0.5",
            |x| (0.0..1.0).contains(&x),
            "shares from 0 to below 1",
        ),
    ]
}

fn model() -> Vec<Setting> {
    let losses: Vec<_> = crate::nn::loss::ALL.into_iter().map(|loss| loss.name()).collect();
    let (number, text) = (ValueKind::Number, ValueKind::Text);
    let activations: Vec<_> = Activation::all().map(Activation::name).collect();
    vec![
        Setting::new(
            "activation",
            (text, "FUNCTION"),
            PERCEPTRON,
            format!("Activation after each hidden layer: {} [default: relu]", listed(&activations)),
            |draft, text| {
                let function = read(text)?;
                on_perceptron(draft, |perceptron| perceptron.activation = function)
            },
        )
        .searched(("activation", "activation"), Distribution::Names, "relu,tanh", |_| true, "one or more"),
        Setting::new(
            "loss",
            (text, "LOSS"),
            MODEL,
            format!("Loss function: {} [default: cross-entropy]", listed(&losses)),
            store!(model.loss.loss),
        ),
        Setting::new(
            "label-smoothing",
            (number, "SHARE"),
            MODEL,
            "Label smoothing for cross-entropy, 0 to <1 [default: 0]",
            store!(model.loss.label_smoothing),
        ),
        Setting::new(
            "class-weights",
            (text, "equal|balanced|W,W,..."),
            MODEL,
            "Weights of classes in cross-entropy: equal, balanced (by how rare each is), or a number for each class \
             [default: equal]",
            store!(model.loss.class_weights),
        ),
        Setting::new(
            "init",
            (text, "INITIALIZER"),
            MODEL,
            "Weight initializer: he, he-uniform, xavier, xavier-uniform, lecun, truncated-normal or zeros [default: he]",
            store!(model.initializer),
        ),
    ]
}

fn update() -> Vec<Setting> {
    let optimizers: Vec<_> = optim::registry().iter().map(|optimizer| optimizer.name()).collect();
    let (whole, number, text) = (ValueKind::Whole, ValueKind::Number, ValueKind::Text);
    let mut table = vec![Setting::new(
        "optimizer",
        (text, "NAME"),
        SHARED,
        format!("Optimizer: {} [default: {USUAL_OPTIMIZER}, in a search adamw]", listed(&optimizers)),
        |draft, text| {
            draft.config.update.optimizer = by_name(text)?.into();
            Ok(())
        },
    )];
    table.extend(of_optimizers());
    table.extend([
        Setting::new(
            "clip-norm",
            (number, "NORM"),
            SHARED,
            "Largest norm of all gradients together; longer ones are scaled to it",
            store!(some update.clip_norm),
        ),
        Setting::new(
            "schedule",
            (text, "constant|step:EVERY:GAMMA|cosine"),
            SHARED,
            "Learning rate schedule after the warm-up: times GAMMA every EVERY steps, or a cosine to 0 [default: constant]",
            store!(update.schedule),
        ),
        Setting::new(
            "warmup",
            (whole, "STEPS"),
            SHARED,
            "Steps over which the learning rate first rises from 0 [default: 0]",
            store!(update.warmup),
        ),
    ]);
    table
}

/// The optimizer unless another is named.
pub(super) const USUAL_OPTIMIZER: &str = "adam";

/// One for each setting that some optimizer has, with the defaults of all that have it.
fn of_optimizers() -> Vec<Setting> {
    let mut table: Vec<(&'static optim::Hyperparameter, Vec<String>)> = Vec::new();
    for optimizer in optim::registry() {
        for (setting, value) in optimizer.values() {
            let default = format!("{value} in {}", optimizer.name());
            match table.iter_mut().find(|(known, _)| known.name == setting.name) {
                Some((_, defaults)) => defaults.push(default),
                None => table.push((setting, vec![default])),
            }
        }
    }
    let entry = |(setting, defaults): (&'static optim::Hyperparameter, Vec<String>)| {
        let (name, kind) = (setting.name, if setting.is_switch() { ValueKind::Switch } else { ValueKind::Number });
        let doc = match kind {
            ValueKind::Switch => setting.doc.to_owned(),
            _ => format!("{} [default: {}]", setting.doc, defaults.join(", ")),
        };
        let searched = optim::registry().iter().any(|optimizer| optimizer.search(name).is_some());
        let words = name.replace('-', " ");
        let search = Search {
            flag: name,
            words,
            distribution: Distribution::Linear,
            usual: None,
            valid: setting.valid,
            range: setting.range,
        };
        Setting {
            name,
            doc,
            value_name: setting.value_name,
            kind,
            scopes: if searched { STEP } else { SHARED },
            search: searched.then_some(search),
            apply: Apply::Optimizer,
        }
    };
    table.into_iter().map(entry).collect()
}

fn run() -> Vec<Setting> {
    let (whole, text) = (ValueKind::Whole, ValueKind::Text);
    vec![
        Setting::new("epochs", (whole, "N"), STEP, "Passes over the training items [default: 5]", store!(epochs)),
        Setting::new(
            "steps",
            (whole, "N"),
            RUN,
            "Steps of training in place of --epochs; the last epoch may be cut short",
            store!(some steps),
        ),
        Setting::new(
            "eval-every",
            (whole, "N"),
            RUN,
            "Score the validation items every N steps in place of each epoch's end; needs --validation",
            store!(some eval_every),
        ),
        Setting::new(
            "normalize",
            (text, "unit|standard"),
            SHARED,
            "Inputs: values from 0 to 1 (`unit`), or standardized: (x - mean) / std (`standard`), measured on the training \
             items and kept with the model [default: unit]",
            store!(normalize),
        ),
        Setting::new(
            "augment",
            (text, "NAME=AMOUNT,..."),
            SHARED,
            "Change training items at random: largest rotation (degrees), shift (rows, columns), scale, shear; probability of \
             hflip, vflip, erase; standard deviation of noise. Such as \
             rotate=10,shift=2,scale=0.1,shear=0.1,noise=0.05,erase=0.1",
            store!(augment),
        ),
        Setting::new(
            "seed",
            (whole, "N"),
            SHARED,
            "Seed of the initial weights and of the order of the items: the same seed gives the same run [default: 42]",
            store!(seed),
        ),
        Setting::new(
            "target",
            (text, "METRIC=VALUE"),
            RUN,
            "End training as soon as validation reaches this, such as accuracy=0.98 or loss=0.05; needs --validation",
            store!(some target),
        ),
        Setting::new(
            "patience",
            (whole, "N"),
            RUN,
            "End training when the validation loss has not fallen for N validations, and keep the best weights; needs \
             --validation",
            store!(some patience),
        ),
        Setting::new(
            "scan-every",
            (whole, "N"),
            RUN,
            "Check gradients and weights for NaN and infinity every N steps and at the end [default: 100]",
            store!(scan_every),
        ),
    ]
}

/// Names in a sentence: `a, b or c`.
fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TrainConfig;
    use super::*;

    #[test]
    fn the_help_gives_the_default_of_each_setting() {
        for setting in settings() {
            let default = setting.doc.rsplit_once("[default: ").map(|(_, default)| default.trim_end_matches(']'));
            let Some(default) = default.filter(|default| setting.check(default).is_ok()) else { continue };
            let mut draft = Draft::new(None);
            setting.apply(&mut draft, default).unwrap_or_else(|error| panic!("{}: {error}", setting.name));
            assert_eq!(draft.finish(), TrainConfig::default(), "{}", setting.name);
        }
    }

    #[test]
    fn names_are_flags_and_no_two_are_alike() {
        let (mut names, table) = (std::collections::BTreeSet::new(), settings());
        for setting in &table {
            assert!(names.insert(setting.name), "two settings are called {}", setting.name);
            assert!(setting.name.chars().all(|c| c.is_lowercase() || c.is_numeric() || c == '-'));
            assert!(!setting.doc.is_empty() && (!setting.scopes.is_empty() || setting.search.is_some()));
            assert!(setting.check("no such value,").is_err() || setting.name == "augment", "{}", setting.name);
        }
    }
}
