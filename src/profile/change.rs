//! Changes of times from an earlier profile to a later one.

use super::over;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Minimum relative change to report, provided it exceeds the noise.
const LEAST: f64 = 0.03;

/// Changes since an earlier profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where the earlier profile came from.
    pub with: String,
    /// Reasons the two may not be comparable.
    pub caveats: Vec<String>,
    /// The whole step, then each row that is in either profile.
    pub changes: Vec<KernelChange>,
}

/// A change in one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelChange {
    /// The step, or a row with its kernel and shape.
    pub name: String,
    /// Earlier time; none if the row is new.
    pub before: Option<Band>,
    /// Current time; none if the row is gone.
    pub after: Option<Band>,
    /// The conclusion.
    pub verdict: ChangeVerdict,
}

/// A time with its noise band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The median in microseconds.
    pub median: f64,
    /// The lower end of the per-round medians.
    pub least: f64,
    /// The upper end of the per-round medians.
    pub most: f64,
}

/// Result of comparing two bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerdict {
    /// The bands do not overlap; the later one is higher.
    Slower,
    /// The bands do not overlap; the later one is lower.
    Faster,
    /// Within noise, or too small to matter.
    Same,
    /// Only in the later profile.
    New,
    /// Only in the earlier profile.
    Gone,
}

impl fmt::Display for ChangeVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slower => "SLOWER",
            Self::Faster => "faster",
            Self::Same => "same",
            Self::New => "new",
            Self::Gone => "gone",
        })
    }
}

impl KernelChange {
    /// Later time / earlier time.
    pub fn ratio(&self) -> Option<f64> {
        self.before.zip(self.after).map(|(before, after)| over(after.median, before.median))
    }

    pub(super) fn new(name: String, before: Option<Band>, after: Option<Band>) -> Self {
        let verdict = match (before, after) {
            (None, _) => ChangeVerdict::New,
            (_, None) => ChangeVerdict::Gone,
            (Some(before), Some(after)) => before.against(after),
        };
        Self { name, before, after, verdict }
    }
}

impl Band {
    /// Band of per-round medians. With more than five, the extremes are dropped: a single outlier is not noise.
    pub(super) fn of(median: f64, rounds: &[f64]) -> Self {
        let mut rounds = rounds.to_vec();
        rounds.sort_by(f64::total_cmp);
        let rounds = if rounds.len() > 5 { &rounds[1..rounds.len() - 1] } else { &rounds[..] };
        let [least, most] = [rounds.first(), rounds.last()].map(|bound| bound.copied().unwrap_or(median));
        Self { median, least, most }
    }

    fn against(self, later: Self) -> ChangeVerdict {
        match over(later.median, self.median) {
            ratio if later.least > self.most && ratio > 1.0 + LEAST => ChangeVerdict::Slower,
            ratio if later.most < self.least && ratio < 1.0 - LEAST => ChangeVerdict::Faster,
            _ => ChangeVerdict::Same,
        }
    }
}

impl Comparison {
    /// Changes for the worse.
    pub fn slower(&self) -> impl Iterator<Item = &KernelChange> {
        self.changes.iter().filter(|change| change.verdict == ChangeVerdict::Slower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bands_that_lie_apart_tell_of_a_change() {
        let band = |least, median, most| Band { median, least, most };
        let earlier = band(9.0, 10.0, 11.0);
        assert_eq!(earlier.against(band(12.0, 13.0, 14.0)), ChangeVerdict::Slower);
        assert_eq!(earlier.against(band(10.5, 13.0, 14.0)), ChangeVerdict::Same);
        assert_eq!(earlier.against(band(6.0, 7.0, 8.0)), ChangeVerdict::Faster);
        assert_eq!(band(10.0, 10.0, 10.0).against(band(10.1, 10.2, 10.3)), ChangeVerdict::Same);
        assert_eq!(Band::of(5.0, &[]), band(5.0, 5.0, 5.0));
        assert_eq!(Band::of(5.0, &[6.0, 5.0, 4.0]), band(4.0, 5.0, 6.0));
        assert_eq!(Band::of(5.0, &[90.0, 4.0, 5.0, 5.0, 6.0, 0.1]), band(4.0, 5.0, 6.0));
    }
}
