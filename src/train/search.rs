//! How settings are searched: the values they may take, and how one is drawn.

use crate::error::{Error, Kind, Result};
use crate::nn::toml::ValueKind;
use std::fmt::{self, Display};

/// How numbers of a range are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Uniformly.
    Linear,
    /// Log-uniformly.
    Logarithmic,
    /// Not at all: values are names, of which one is picked.
    Names,
}

/// How a setting is searched.
#[derive(Clone, Debug)]
pub struct Search {
    /// The flag of `tune` that gives its values, without the dashes; the journal has `_` for `-`.
    pub flag: &'static str,
    /// What a message calls it.
    pub words: String,
    /// How a range is drawn from.
    pub distribution: Distribution,
    /// The values tried by default; without them, what [`crate::optim::Optimizer::search`] says.
    pub usual: Option<&'static str>,
    /// Whether a number can be tried.
    pub valid: fn(f64) -> bool,
    /// Which numbers can, in words.
    pub range: &'static str,
}

/// The values that a setting may take in a search.
#[derive(Clone, Debug, PartialEq)]
pub enum Candidates {
    /// Any value in this closed range.
    Between(f64, f64),
    /// Any of the whole numbers from the first to the second, both included.
    Whole(usize, usize),
    /// One of these.
    OneOf(Vec<String>),
}

impl Distribution {
    /// The quantile `unit` of the distribution on `low..high`.
    fn between(self, low: f64, high: f64, unit: f64) -> f64 {
        match self {
            Self::Logarithmic => (low.ln() + (high.ln() - low.ln()) * unit).exp(),
            Self::Linear | Self::Names => low + (high - low) * unit,
        }
    }
}

impl Candidates {
    /// Reads `LOW..HIGH`, or a list such as `32,128,512`, of values of this kind.
    ///
    /// # Errors
    /// If it is neither, or a value cannot be read.
    pub fn read(text: &str, kind: ValueKind) -> Result<Self> {
        let range = text.split_once("..").filter(|_| kind != ValueKind::Text);
        let values = match range {
            Some((low, high)) if kind == ValueKind::Whole => match (low.parse(), high.parse()) {
                (Ok(low), Ok(high)) if low <= high => Some(Self::Whole(low, high)),
                _ => None,
            },
            Some((low, high)) => match (low.parse(), high.parse()) {
                (Ok(low), Ok(high)) if low <= high => Some(Self::Between(low, high)),
                _ => None,
            },
            None => text.split(',').map(|value| plain(value, kind)).collect::<Option<_>>().map(Self::OneOf),
        };
        values.ok_or_else(|| {
            let cause = format!("`{text}` is neither a range such as 1..3 nor a list such as 32,128,512");
            Error::new(Kind::Usage, cause, "give the least and the most, or each value; widths and the like are whole")
        })
    }

    /// The value at the share `unit`, in [0, 1), of the distribution. Numbers drawn from a range keep three significant
    /// figures: they read well, and are the same wherever the last bits of a logarithm are not.
    pub(super) fn draw(&self, distribution: Distribution, unit: f64) -> String {
        match self {
            Self::Between(low, high) => {
                let exact = distribution.between(*low, *high, unit);
                format!("{exact:.2e}").parse().unwrap_or(exact).clamp(*low, *high).to_string()
            }
            // Each integer represents the interval up to the next.
            Self::Whole(low, high) => {
                (distribution.between(*low as f64, *high as f64 + 1.0, unit) as usize).clamp(*low, *high).to_string()
            }
            Self::OneOf(list) => list[((unit * list.len() as f64) as usize).min(list.len() - 1)].clone(),
        }
    }

    /// The numbers between which, or on which, all others lie.
    pub(super) fn ends(&self) -> Vec<f64> {
        match self {
            Self::Between(low, high) => vec![*low, *high],
            Self::Whole(low, high) => vec![*low as f64, *high as f64],
            Self::OneOf(list) => list.iter().filter_map(|value| value.parse().ok()).collect(),
        }
    }
}

/// A value as it is stored: numbers in their shortest kind.
fn plain(value: &str, kind: ValueKind) -> Option<String> {
    match kind {
        ValueKind::Whole => value.parse::<usize>().ok().map(|number| number.to_string()),
        ValueKind::Number => value.parse::<f64>().ok().map(|number| number.to_string()),
        ValueKind::Switch | ValueKind::Text => Some(value.to_owned()),
    }
}

impl Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(low, high) => write!(f, "{low}..{high}"),
            Self::Whole(low, high) => write!(f, "{low}..{high}"),
            Self::OneOf(list) => f.write_str(&list.join(",")),
        }
    }
}
