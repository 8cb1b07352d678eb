//! Compares a profile with an earlier one.

use super::change::{Band, Comparison, KernelChange};
use super::report::{DispatchRow, Profile};

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
            changes.push(KernelChange::new("the whole step".to_owned(), step(before), step(after)));
        }
        let band = |row: &DispatchRow| Band::of(row.time.median, &row.rounds);
        let mut left: Vec<&DispatchRow> = before.rows.iter().collect();
        for row in &after.rows {
            let earlier = left.iter().position(|other| name(other) == name(row)).map(|at| left.remove(at));
            changes.push(KernelChange::new(name(row), earlier.map(band), Some(band(row))));
        }
        changes.extend(left.into_iter().map(|row| KernelChange::new(name(row), Some(band(row)), None)));
        Self { with: with.to_owned(), caveats, changes }
    }
}

/// The key by which rows are matched. Variants of a kernel share a row, except in a sweep.
fn name(row: &DispatchRow) -> String {
    match row.share {
        Some(_) => format!("{} ({})", row.label, format!("{} {}", row.kernel, row.shape).trim_end()),
        None => format!("{} {} {}", row.kernel, row.variant, row.shape),
    }
}
