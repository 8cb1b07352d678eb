//! Compares a profile with an earlier one.

use super::over;
use super::report::{Profile, Row};
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
    pub changes: Vec<Change>,
}

/// A change in one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The step, or a row with its kernel and shape.
    pub name: String,
    /// Earlier time; none if the row is new.
    pub before: Option<Band>,
    /// Current time; none if the row is gone.
    pub after: Option<Band>,
    /// The conclusion.
    pub verdict: Verdict,
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
pub enum Verdict {
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

impl fmt::Display for Verdict {
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

impl Change {
    /// Later time / earlier time.
    pub fn ratio(&self) -> Option<f64> {
        self.before.zip(self.after).map(|(before, after)| over(after.median, before.median))
    }

    fn new(name: String, before: Option<Band>, after: Option<Band>) -> Self {
        let verdict = match (before, after) {
            (None, _) => Verdict::New,
            (_, None) => Verdict::Gone,
            (Some(before), Some(after)) => before.against(after),
        };
        Self { name, before, after, verdict }
    }
}

impl Band {
    /// Band of per-round medians. With more than five, the extremes are dropped: a single outlier is not noise.
    fn of(median: f64, rounds: &[f64]) -> Self {
        let mut rounds = rounds.to_vec();
        rounds.sort_by(f64::total_cmp);
        let rounds = if rounds.len() > 5 { &rounds[1..rounds.len() - 1] } else { &rounds[..] };
        let [least, most] = [rounds.first(), rounds.last()].map(|bound| bound.copied().unwrap_or(median));
        Self { median, least, most }
    }

    fn against(self, later: Self) -> Verdict {
        match over(later.median, self.median) {
            ratio if later.least > self.most && ratio > 1.0 + LEAST => Verdict::Slower,
            ratio if later.most < self.least && ratio < 1.0 - LEAST => Verdict::Faster,
            _ => Verdict::Same,
        }
    }
}

impl Comparison {
    /// Compares `after` with `before`, loaded from `with`.
    pub fn new(with: &str, before: &Profile, after: &Profile) -> Self {
        let mut caveats = Vec::new();
        let mut differ = |what: &str, then: &str, now: &str| {
            if then != now {
                caveats.push(format!("different {what}: was {then}, now {now}"));
            }
        };
        differ("device", &before.device, &after.device);
        differ("subject", &before.title, &after.title);
        differ("clock", &before.clock.to_string(), &after.clock.to_string());
        let mut changes = Vec::new();
        let step = |profile: &Profile| profile.step.as_ref().map(|step| Band::of(step.wall.median, &step.rounds));
        if before.step.is_some() || after.step.is_some() {
            changes.push(Change::new("the whole step".to_owned(), step(before), step(after)));
        }
        let band = |row: &Row| Band::of(row.time.median, &row.rounds);
        let mut left: Vec<&Row> = before.rows.iter().collect();
        for row in &after.rows {
            let earlier = left.iter().position(|other| name(other) == name(row)).map(|at| left.remove(at));
            changes.push(Change::new(name(row), earlier.map(band), Some(band(row))));
        }
        changes.extend(left.into_iter().map(|row| Change::new(name(row), Some(band(row)), None)));
        Self { with: with.to_owned(), caveats, changes }
    }

    /// Changes for the worse.
    pub fn slower(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.verdict == Verdict::Slower)
    }
}

/// The key by which rows are matched. Variants of a kernel share a row, except in a sweep.
fn name(row: &Row) -> String {
    match row.share {
        Some(_) => format!("{} ({})", row.label, format!("{} {}", row.kernel, row.shape).trim_end()),
        None => format!("{} {} {}", row.kernel, row.variant, row.shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bands_that_lie_apart_tell_of_a_change() {
        let band = |least, median, most| Band { median, least, most };
        let earlier = band(9.0, 10.0, 11.0);
        assert_eq!(earlier.against(band(12.0, 13.0, 14.0)), Verdict::Slower);
        assert_eq!(earlier.against(band(10.5, 13.0, 14.0)), Verdict::Same);
        assert_eq!(earlier.against(band(6.0, 7.0, 8.0)), Verdict::Faster);
        assert_eq!(band(10.0, 10.0, 10.0).against(band(10.1, 10.2, 10.3)), Verdict::Same);
        assert_eq!(Band::of(5.0, &[]), band(5.0, 5.0, 5.0));
        assert_eq!(Band::of(5.0, &[6.0, 5.0, 4.0]), band(4.0, 5.0, 6.0));
        assert_eq!(Band::of(5.0, &[90.0, 4.0, 5.0, 5.0, 6.0, 0.1]), band(4.0, 5.0, 6.0));
    }
}
