//! Class weights.

use crate::error::{Error, Kind};
use std::fmt;
use std::str::FromStr;

/// The weight of each class in the loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// All equal.
    #[default]
    Equal,
    /// Inversely proportional to frequency in the training labels: with N labels, N_c of them of class c and C classes,
    /// N / (C N_c), so that the mean over all labels is 1. King and Zeng, "Logistic Regression in Rare Events Data",
    /// Political Analysis 9, 2001, section 4.2.
    Balanced,
    /// Given explicitly.
    Given(Vec<f32>),
}

impl FromStr for ClassWeights {
    type Err = Error;

    /// Parses `equal`, `balanced`, or one number per class, such as `1,2,0.5`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "equal" => Ok(Self::Equal),
            "balanced" => Ok(Self::Balanced),
            numbers => {
                let numbers = numbers.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>();
                numbers.map(Self::Given).ok_or_else(|| {
                    let advice = "give equal, balanced, or a number for each class, such as 1,1,2";
                    Error::new(Kind::Usage, format!("no class weights `{text}`"), advice)
                })
            }
        }
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("equal"),
            Self::Balanced => f.write_str("balanced"),
            Self::Given(weights) => {
                let weights: Vec<_> = weights.iter().map(f32::to_string).collect();
                f.write_str(&weights.join(","))
            }
        }
    }
}
