//! The search space of `tune`, and sampling of trials.

use super::search::{Candidates, Search};
use super::setting::Setting;
use super::settings::settings;
use super::train_settings::TrainSettings;
use crate::error::{Error, Kind, Result};
use crate::nn::toml::ValueKind;
use crate::optim::{self, Optimizer};
use crate::random::{Random, stream};
use serde_json::{Value, json};

/// A searched setting with its values.
#[derive(Clone, Debug)]
struct Dimension {
    setting: Setting,
    search: Search,
    values: Candidates,
}

/// What each searched setting may be, in the order of the table.
#[derive(Clone, Debug)]
pub struct Space(Vec<Dimension>);

/// A point of a [`Space`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sample(Vec<Drawn>);

/// The value of a searched setting in a trial.
#[derive(Clone, Debug, PartialEq)]
struct Drawn {
    name: &'static str,
    flag: &'static str,
    kind: ValueKind,
    value: String,
}

impl Dimension {
    /// # Errors
    /// If a value is invalid; names the first, and valid values.
    fn check(&self, usual: &str) -> Result<()> {
        if let Candidates::OneOf(list) = &self.values {
            list.iter().try_for_each(|value| self.setting.check(value))?;
        }
        let Search { flag, words, valid, range, .. } = &self.search;
        match self.values.ends().into_iter().find(|&value| !valid(value)) {
            None => Ok(()),
            Some(value) => {
                let advice = format!("give {range}, such as --{} {usual}", flag);
                Err(Error::new(Kind::Usage, format!("a {words} of {value}"), advice))
            }
        }
    }
}

impl Space {
    /// The values that `values` gives by the names of flags, and the default ones of all other searched settings.
    ///
    /// # Errors
    /// If values cannot be read, or no run could use one of them; if the optimizer has no such setting.
    pub fn new(values: &[(&str, String)], optimizer: &dyn Optimizer) -> Result<Self> {
        let searched = |setting: Setting| {
            let search = setting.search.clone()?;
            Some((setting, search))
        };
        let read = |(setting, search): (Setting, Search)| {
            let given = values.iter().find(|(flag, _)| *flag == search.flag).map(|(_, text)| text.as_str());
            if given.is_some() && setting.is_of_optimizer() {
                optimizer.boxed().set(setting.name, 0.0)?;
            }
            let usual = search.usual.or_else(|| optimizer.search(setting.name)).unwrap_or("0");
            let values = Candidates::read(given.unwrap_or(usual), setting.kind)?;
            let dimension = Dimension { setting, search, values };
            dimension.check(usual).map(|()| dimension)
        };
        settings().into_iter().filter_map(searched).map(read).collect::<Result<_>>().map(Self)
    }

    /// Sample `trial` under `seed`. It depends on no other trial, and a setting on no other's range: each takes one random
    /// number.
    pub fn sample(&self, seed: u64, trial: u32) -> Sample {
        let mut random = Random::new(seed, stream::TUNE.wrapping_add(trial));
        let draw = |Dimension { setting, search, values }: &Dimension| {
            let value = values.draw(search.distribution, f64::from(random.uniform()));
            Drawn { name: setting.name, flag: search.flag, kind: setting.kind, value }
        };
        Sample(self.0.iter().map(draw).collect())
    }

    /// The values of each setting, for the journal.
    pub fn json(&self) -> Value {
        let values = |dimension: &Dimension| match (&dimension.values, dimension.setting.kind) {
            (Candidates::OneOf(names), ValueKind::Text) => json!(names),
            (values, _) => json!(values.to_string()),
        };
        self.0.iter().map(|dimension| (dimension.search.flag.replace('-', "_"), values(dimension))).collect()
    }
}

impl Sample {
    /// The value of each searched setting, by its flag.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|drawn| (drawn.flag, drawn.value.as_str()))
    }

    /// The same for the journal.
    pub fn json(&self) -> Value {
        let value = |drawn: &Drawn| match drawn.kind {
            ValueKind::Whole => drawn.value.parse::<usize>().map_or(Value::Null, Value::from),
            ValueKind::Number => drawn.value.parse::<f64>().map_or(Value::Null, Value::from),
            ValueKind::Switch | ValueKind::Text => drawn.value.as_str().into(),
        };
        self.0.iter().map(|drawn| (drawn.flag.replace('-', "_"), value(drawn))).collect()
    }

    /// The settings of the trial's run, besides those that are `fixed`. What the optimizer does not have is left out.
    pub fn settings(&self, fixed: &TrainSettings, optimizer: &dyn Optimizer) -> TrainSettings {
        let mut given = fixed.clone();
        let (mut width, mut depth) = ("", 1);
        let foreign = |name: &str| optim::registry().iter().any(|other| other.value(name).is_some());
        for Drawn { name, value, .. } in &self.0 {
            match *name {
                "width" => width = value,
                "depth" => depth = value.parse().unwrap_or(depth),
                name if foreign(name) && optimizer.value(name).is_none() => {}
                name => given.put(name, value.clone()),
            }
        }
        // `train` is given the width of each layer.
        given.put("hidden", vec![width; depth].join(","));
        given
    }
}

#[cfg(test)]
mod tests {
    use super::super::search::Distribution;
    use super::super::setting::Scope;
    use super::*;
    use crate::optim::{Adam, AdamW, Sgd};

    fn space(values: &[(&str, &str)]) -> Space {
        let values: Vec<_> = values.iter().map(|(flag, text)| (*flag, (*text).to_owned())).collect();
        Space::new(&values, &AdamW::default()).expect("it is sound")
    }

    fn number(trial: &Sample, flag: &str) -> f64 {
        let (_, value) = trial.values().find(|(other, _)| *other == flag).expect("it is searched");
        value.parse().expect("a number")
    }

    #[test]
    fn trials_lie_within_the_space_and_reach_all_of_it() {
        let trials: Vec<_> = (0..2000).map(|trial| space(&[]).sample(7, trial)).collect();
        for trial in &trials {
            let of = |flag| number(trial, flag);
            assert!((1e-4..=1e-2).contains(&of("lr")) && (64.0..=1024.0).contains(&of("width")), "{trial:?}");
            assert!((0.0..=0.5).contains(&of("dropout")) && (0.0..=0.1).contains(&of("weight-decay")), "{trial:?}");
        }
        let mut fixed = TrainSettings::default();
        fixed.put("optimizer", "adamw".to_owned());
        for trial in &trials[..50] {
            let config = trial.settings(&fixed, &AdamW::default()).config(None, Scope::Train);
            config.and_then(|config| config.validate()).unwrap_or_else(|error| panic!("{trial:?}: {error}"));
        }
        let share = |of: &dyn Fn(&Sample) -> bool| trials.iter().filter(|trial| of(trial)).count() as f64 / 2000.0;
        // Log-uniform: half are below the geometric mean. Five standard errors of a half are 0.056.
        assert!((share(&|t| number(t, "lr") < 1e-3) - 0.5).abs() < 0.056);
        assert!((share(&|t| number(t, "width") < 256.0) - 0.5).abs() < 0.056);
        assert!((share(&|t| number(t, "dropout") < 0.25) - 0.5).abs() < 0.056);
        for depth in [1.0, 2.0, 3.0] {
            assert!((share(&|t| number(t, "depth") == depth) - 1.0 / 3.0).abs() < 0.056, "{depth}");
        }
        for batch in [32.0, 128.0, 512.0] {
            assert!((share(&|t| number(t, "batch") == batch) - 1.0 / 3.0).abs() < 0.056, "{batch}");
        }
        assert!((share(&|t| t.values().any(|(_, value)| value == "tanh")) - 0.5).abs() < 0.056);
    }

    #[test]
    fn a_trial_depends_on_seed_and_number_alone_and_settings_not_on_each_other() {
        assert_eq!(space(&[]).sample(7, 3), space(&[]).sample(7, 3));
        assert_ne!(space(&[]).sample(7, 3), space(&[]).sample(8, 3));
        assert_ne!(space(&[]).sample(7, 3), space(&[]).sample(7, 4));
        let (narrow, wide) = (space(&[("width", "16")]).sample(7, 3), space(&[]).sample(7, 3));
        for ((flag, narrow), (_, wide)) in narrow.values().zip(wide.values()) {
            assert_eq!(narrow, if flag == "width" { "16" } else { wide }, "{flag}");
        }
    }

    /// Journals of earlier searches hold such trials.
    #[test]
    fn trials_are_drawn_in_the_order_of_old() {
        let trial = space(&[]).sample(42, 0);
        let flags: Vec<_> = trial.values().map(|(flag, _)| flag).collect();
        assert_eq!(flags, ["lr", "width", "depth", "batch", "dropout", "weight-decay", "activation"]);
    }

    #[test]
    fn a_trial_is_settings_of_train() {
        let trial = space(&[("width", "16"), ("depth", "3"), ("lr", "0.01"), ("batch", "32")]).sample(1, 1);
        let of = |optimizer: &dyn Optimizer| trial.settings(&TrainSettings::default(), optimizer);
        let flags = of(&AdamW::default()).flags();
        assert!(flags.contains(" --lr 0.01 --hidden 16,16,16 --batch-size 32 --dropout "), "{flags}");
        assert!(flags.contains("--weight-decay") && !of(&Adam::default()).flags().contains("--weight-decay"));
        let config = of(&Sgd::default()).config(None, Scope::Train).expect_err("adam is the default");
        assert_eq!(config.cause(), "adam has no weight decay");
    }

    #[test]
    fn values_are_read_and_written_alike_and_nonsense_is_refused() {
        for text in ["1..3", "32,128,512", "7"] {
            assert_eq!(Candidates::read(text, ValueKind::Whole).expect(text).to_string(), text);
        }
        assert_eq!(Candidates::read("1e-4..1e-2", ValueKind::Number), Ok(Candidates::Between(1e-4, 1e-2)));
        for text in ["", "3..1", "1..", "1,,2", "a..b", "1.5..2", "-1..2", "1..2..3"] {
            assert!(
                Candidates::read(text, ValueKind::Whole).is_err_and(|error| error.cause().contains(text)),
                "{text}"
            );
        }
        assert!(Candidates::read("nan..1", ValueKind::Number).is_err());
        for (flag, text) in [
            ("lr", "0..1"),
            ("lr", "nan"),
            ("width", "0..4"),
            ("depth", "1..99999999999"),
            ("batch", ""),
            ("dropout", "0..1"),
            ("weight-decay", "0..1e300"),
            ("activation", ""),
            ("activation", "relu,rolu"),
        ] {
            let refused = Space::new(&[(flag, text.to_owned())], &AdamW::default());
            assert!(refused.is_err_and(|error| error.kind() == Kind::Usage), "{flag} {text}");
        }
    }

    #[test]
    fn extreme_ranges_do_not_overflow() {
        let widest = Candidates::Whole(1, usize::MAX);
        assert!((0..100).all(|i| widest.draw(Distribution::Logarithmic, f64::from(i) / 100.0) != "0"));
    }
}
