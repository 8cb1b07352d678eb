//! The space in which `tune` searches, and how trials are drawn from it.

use super::TrainConfig;
use crate::error::{Error, Kind, Result};
use crate::nn::{Activation, MlpConfig, ModelConfig};
use crate::optim::UpdateConfig;
use crate::random::{Random, stream};
use std::fmt::{self, Display};
use std::str::FromStr;

/// The deepest network that is tried.
const DEEPEST: usize = 64;

/// What a setting may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Values<T> {
    /// Anything from the first to the second, both included.
    Between(T, T),
    /// One of these.
    OneOf(Vec<T>),
}

/// What each setting of a trial may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Learning rate; a range is drawn from log-uniformly.
    pub learning_rate: Values<f64>,
    /// Width of each hidden layer; a range is drawn from log-uniformly.
    pub width: Values<usize>,
    /// Number of hidden layers; a range is drawn from uniformly.
    pub depth: Values<usize>,
    /// Rows of a batch; a range is drawn from log-uniformly.
    pub batch_size: Values<usize>,
    /// Share of each hidden layer's outputs that training drops; a range is drawn from uniformly.
    pub dropout: Values<f64>,
    /// Weight decay; a range is drawn from uniformly. Plain Adam takes no notice of it.
    pub weight_decay: Values<f64>,
    /// What follows each hidden layer: one of these.
    pub activation: Vec<Activation>,
}

/// A point of a [`Space`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Learning rate.
    pub learning_rate: f32,
    /// Width of each hidden layer.
    pub width: usize,
    /// Number of hidden layers.
    pub depth: usize,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Share of each hidden layer's outputs that training drops.
    pub dropout: f64,
    /// Weight decay, of which plain Adam takes no notice.
    pub weight_decay: f64,
    /// What follows each hidden layer.
    pub activation: Activation,
}

#[derive(Clone, Copy)]
enum Scale {
    Linear,
    Logarithmic,
}

impl Scale {
    /// The point of `low..high` below which the share `unit` of the distribution lies.
    fn between(self, low: f64, high: f64, unit: f64) -> f64 {
        match self {
            Self::Linear => low + (high - low) * unit,
            Self::Logarithmic => (low.ln() + (high.ln() - low.ln()) * unit).exp(),
        }
    }
}

/// The element at the share `unit`, in [0, 1), of a list that is not empty.
fn pick<T: Copy>(list: &[T], unit: f64) -> T {
    list[((unit * list.len() as f64) as usize).min(list.len() - 1)]
}

impl<T> Values<T> {
    /// The values between which, or on which, all others lie.
    fn ends(&self) -> Vec<&T> {
        match self {
            Self::Between(low, high) => vec![low, high],
            Self::OneOf(list) => list.iter().collect(),
        }
    }
}

impl Values<f64> {
    /// Numbers drawn from a range keep three significant figures: they read well, and are the same wherever the last
    /// bits of a logarithm are not.
    fn draw(&self, scale: Scale, unit: f64) -> f64 {
        match self {
            Self::Between(low, high) => {
                let exact = scale.between(*low, *high, unit);
                format!("{exact:.2e}").parse().unwrap_or(exact).clamp(*low, *high)
            }
            Self::OneOf(list) => pick(list, unit),
        }
    }
}

impl Values<usize> {
    fn draw(&self, scale: Scale, unit: f64) -> usize {
        match self {
            // Each whole number stands for what lies between it and the next.
            Self::Between(low, high) => {
                (scale.between(*low as f64, *high as f64 + 1.0, unit) as usize).clamp(*low, *high)
            }
            Self::OneOf(list) => pick(list, unit),
        }
    }
}

impl<T: FromStr + PartialOrd> FromStr for Values<T> {
    type Err = Error;

    /// `LOW..HIGH`, or a list such as `32,128,512`.
    fn from_str(text: &str) -> Result<Self> {
        let values = match text.split_once("..") {
            Some((low, high)) => match (low.parse::<T>(), high.parse::<T>()) {
                (Ok(low), Ok(high)) if low <= high => Some(Self::Between(low, high)),
                _ => None,
            },
            None => text.split(',').map(|value| value.parse().ok()).collect::<Option<_>>().map(Self::OneOf),
        };
        values.ok_or_else(|| {
            let cause = format!("`{text}` is neither a range such as 1..3 nor a list such as 32,128,512");
            Error::new(Kind::Usage, cause, "give the least and the most, or each value; widths and the like are whole")
        })
    }
}

impl<T: Display> Display for Values<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(low, high) => write!(f, "{low}..{high}"),
            Self::OneOf(list) => f.write_str(&list.iter().map(T::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

fn check<T: Display + Copy>(what: &str, values: &Values<T>, fits: impl Fn(T) -> bool, advice: &str) -> Result<()> {
    let ends = values.ends();
    match ends.iter().find(|&&&value| !fits(value)) {
        Some(value) => Err(Error::new(Kind::Usage, format!("a {what} of {value}"), advice)),
        None if ends.is_empty() => Err(Error::new(Kind::Usage, format!("no {what} to choose from"), advice)),
        None => Ok(()),
    }
}

impl Space {
    /// Checks what each setting may be.
    ///
    /// # Errors
    /// Names the first value that no run could use, and what could.
    pub fn validate(&self) -> Result<()> {
        let rate = |x: f64| x > 0.0 && (x as f32).is_normal();
        check("learning rate", &self.learning_rate, rate, "give finite numbers above 0, such as --lr 1e-4..1e-2")?;
        check("width", &self.width, |width| width > 0, "give 1 or more, such as --width 64..1024")?;
        let depth = format!("give 1 to {DEEPEST} hidden layers, such as --depth 1..3");
        check("depth", &self.depth, |depth| (1..=DEEPEST).contains(&depth), &depth)?;
        check("batch size", &self.batch_size, |rows| rows > 0, "give 1 or more, such as --batch 32,128,512")?;
        let share = |x| (0.0..1.0).contains(&x);
        check("dropout", &self.dropout, share, "give shares from 0 to below 1, such as --dropout 0..0.5")?;
        let decay = |x: f64| x >= 0.0 && (x as f32).is_finite();
        check("weight decay", &self.weight_decay, decay, "give 0 or more, such as --weight-decay 0..0.1")?;
        if self.activation.is_empty() {
            let cause = "no activation to choose from";
            return Err(Error::new(Kind::Usage, cause, "give one or more, such as --activation relu,tanh"));
        }
        Ok(())
    }

    /// The settings of trial `trial` under `seed`, from a valid space. They depend on no other trial, and what one
    /// setting is on no other setting's range: each takes one random number.
    pub fn sample(&self, seed: u64, trial: u32) -> Settings {
        let mut random = Random::new(seed, stream::TUNE.wrapping_add(trial));
        let mut unit = || f64::from(random.uniform());
        Settings {
            learning_rate: self.learning_rate.draw(Scale::Logarithmic, unit()) as f32,
            width: self.width.draw(Scale::Logarithmic, unit()),
            depth: self.depth.draw(Scale::Linear, unit()),
            batch_size: self.batch_size.draw(Scale::Logarithmic, unit()),
            dropout: self.dropout.draw(Scale::Linear, unit()),
            weight_decay: self.weight_decay.draw(Scale::Linear, unit()),
            activation: pick(&self.activation, unit()),
        }
    }
}

impl Settings {
    /// A run of these settings, and of what is `fixed` in everything else: epochs, seed, loss, initialiser, the kind of
    /// optimizer, schedule, normalisation, augmentation.
    pub fn config(&self, fixed: &TrainConfig) -> TrainConfig {
        let mut optimizer = fixed.update.optimizer.boxed();
        // Plain Adam has none to set.
        let _ = optimizer.set("weight_decay", self.weight_decay);
        let update =
            UpdateConfig { optimizer: optimizer.into(), learning_rate: self.learning_rate, ..fixed.update.clone() };
        let recipe = MlpConfig {
            activation: self.activation,
            dropout: self.dropout,
            loss: fixed.model.loss.clone(),
            initializer: fixed.model.initializer,
        };
        TrainConfig {
            model: ModelConfig::mlp(&vec![self.width; self.depth], &recipe),
            batch_size: self.batch_size,
            update,
            ..fixed.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space {
            learning_rate: Values::Between(1e-4, 1e-2),
            width: Values::Between(64, 1024),
            depth: Values::Between(1, 3),
            batch_size: Values::OneOf(vec![32, 128, 512]),
            dropout: Values::Between(0.0, 0.5),
            weight_decay: Values::Between(0.0, 0.1),
            activation: vec![Activation::RELU, "tanh".parse().expect("an activation")],
        }
    }

    #[test]
    fn trials_lie_within_the_space_and_reach_all_of_it() {
        let trials: Vec<_> = (0..2000).map(|trial| space().sample(7, trial)).collect();
        for t in &trials {
            assert!((1e-4..=1e-2).contains(&t.learning_rate) && (64..=1024).contains(&t.width), "{t:?}");
            assert!((0.0..=0.5).contains(&t.dropout) && (0.0..=0.1).contains(&t.weight_decay), "{t:?}");
            t.config(&TrainConfig::default()).validate().unwrap_or_else(|error| panic!("{t:?}: {error}"));
        }
        let share = |of: &dyn Fn(&Settings) -> bool| trials.iter().filter(|t| of(t)).count() as f64 / 2000.0;
        // Log-uniform: half below the geometric mean. Five standard errors of a half are 0.056.
        assert!((share(&|t| t.learning_rate < 1e-3) - 0.5).abs() < 0.056);
        assert!((share(&|t| t.width < 256) - 0.5).abs() < 0.056);
        assert!((share(&|t| t.dropout < 0.25) - 0.5).abs() < 0.056);
        for depth in 1..=3 {
            assert!((share(&|t| t.depth == depth) - 1.0 / 3.0).abs() < 0.056, "{depth}");
        }
        for batch_size in [32, 128, 512] {
            assert!((share(&|t| t.batch_size == batch_size) - 1.0 / 3.0).abs() < 0.056, "{batch_size}");
        }
        assert!((share(&|t| t.activation.name() == "tanh") - 0.5).abs() < 0.056);
    }

    #[test]
    fn a_trial_depends_on_seed_and_number_alone_and_settings_not_on_each_other() {
        assert_eq!(space().sample(7, 3), space().sample(7, 3));
        assert_ne!(space().sample(7, 3), space().sample(8, 3));
        assert_ne!(space().sample(7, 3), space().sample(7, 4));
        let narrow = Space { width: Values::OneOf(vec![16]), ..space() };
        assert_eq!(Settings { width: 16, ..space().sample(7, 3) }, narrow.sample(7, 3));
    }

    #[test]
    fn values_are_read_and_written_alike_and_nonsense_is_refused() {
        for text in ["1..3", "32,128,512", "7"] {
            assert_eq!(text.parse::<Values<usize>>().expect(text).to_string(), text);
        }
        assert_eq!("1e-4..1e-2".parse(), Ok(Values::Between(1e-4, 1e-2)));
        for text in ["", "3..1", "1..", "1,,2", "a..b", "1.5..2", "-1..2", "1..2..3"] {
            assert!(text.parse::<Values<usize>>().is_err_and(|error| error.cause().contains(text)), "{text}");
        }
        assert!("nan..1".parse::<Values<f64>>().is_err());
        space().validate().expect("it is sound");
        let refused = [
            Space { learning_rate: Values::Between(0.0, 1.0), ..space() },
            Space { learning_rate: Values::OneOf(vec![f64::NAN]), ..space() },
            Space { width: Values::Between(0, 4), ..space() },
            Space { depth: Values::Between(1, usize::MAX), ..space() },
            Space { batch_size: Values::OneOf(vec![]), ..space() },
            Space { dropout: Values::Between(0.0, 1.0), ..space() },
            Space { weight_decay: Values::Between(0.0, 1e300), ..space() },
            Space { activation: vec![], ..space() },
        ];
        for space in refused {
            assert!(space.validate().is_err_and(|error| error.kind() == Kind::Usage), "{space:?}");
        }
    }

    #[test]
    fn extreme_ranges_do_not_overflow() {
        let widest = Space { width: Values::Between(1, usize::MAX), ..space() };
        assert!((0..100).all(|trial| widest.sample(1, trial).width > 0));
    }
}
