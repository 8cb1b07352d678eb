//! A profile beside an earlier one: what became slower.

use super::over;
use super::report::{Profile, Row};
use serde::{Deserialize, Serialize};
use std::fmt;

/// By how much a time must have changed to be told, if it is beyond the noise at all.
const LEAST: f64 = 0.03;

/// What changed since an earlier profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where the earlier profile came from.
    pub with: String,
    /// Why the two may not be comparable.
    pub caveats: Vec<String>,
    /// The whole step, then each row of either profile.
    pub changes: Vec<Change>,
}

/// What became of one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Of what: the step, or a row with its kernel and shape.
    pub name: String,
    /// Then; none where it is new.
    pub before: Option<Band>,
    /// Now; none where it is gone.
    pub after: Option<Band>,
    /// What follows.
    pub verdict: Verdict,
}

/// A time with its noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The median in microseconds.
    pub median: f64,
    /// The lower end of the medians of repeats.
    pub least: f64,
    /// The upper end of them.
    pub most: f64,
}

/// What follows from two bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The bands lie apart, and the later is above the earlier.
    Slower,
    /// The bands lie apart, and the later is below the earlier.
    Faster,
    /// The difference is noise, or too small to matter.
    Same,
    /// It was not there before.
    New,
    /// It is not there any more.
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
    /// The later time as a multiple of the earlier one.
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
    /// Of the medians of repeats. Of many, the least and the largest are left out: one mishap is not noise.
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
    /// Compares `after` with `before`, which came from `with`.
    pub fn new(with: &str, before: &Profile, after: &Profile) -> Self {
        let mut caveats = Vec::new();
        let mut differ = |what: &str, then: &str, now: &str| {
            if then != now {
                caveats.push(format!("another {what}: then {then}, now {now}"));
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

    /// What became slower.
    pub fn slower(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.verdict == Verdict::Slower)
    }
}

/// What a row is known by. Another variant of the same kernel is the same row; in a sweep, variants are rows.
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
