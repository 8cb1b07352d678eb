//! The report on all shader mutants, as Markdown.

use super::kernels::{MOST, MOST_FUSED, MOST_PRODUCT};
use super::mutant::Mutant;
use super::reasons::Reason;
use super::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A mutant of a kernel, its verdict, and the reason.
pub(crate) struct Outcome<'a> {
    pub(crate) kernel: &'a str,
    pub(crate) mutant: &'a Mutant,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<&'a Reason>,
}

impl Outcome<'_> {
    fn is_killed(&self) -> bool {
        matches!(self.verdict, Verdict::Killed(_))
    }

    fn is_equivalent(&self) -> bool {
        self.verdict == Verdict::Survived && self.reason.is_some_and(|reason| reason.equivalent)
    }

    fn is_survivor(&self) -> bool {
        self.verdict == Verdict::Survived && !self.is_equivalent()
    }
}

/// Counts by verdict.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) mutants: usize,
    pub(crate) killed: usize,
    pub(crate) survivors: usize,
    equivalent: usize,
    refused: usize,
}

impl Count {
    fn add(&mut self, outcome: &Outcome<'_>) {
        self.mutants += 1;
        self.killed += usize::from(outcome.is_killed());
        self.survivors += usize::from(outcome.is_survivor());
        self.equivalent += usize::from(outcome.is_equivalent());
        self.refused += usize::from(outcome.verdict == Verdict::Refused);
    }

    /// The killed share of those that a test could kill, in percent.
    pub(crate) fn share(&self) -> f64 {
        100.0 * self.killed as f64 / (self.killed + self.survivors).max(1) as f64
    }

    fn row(&self, name: &str) -> String {
        let Self { mutants, killed, survivors, equivalent, refused } = self;
        format!("| {name} | {mutants} | {refused} | {equivalent} | {survivors} | {killed} | {:.1} % |\n", self.share())
    }
}

/// The count of all that touch their kernel.
pub(crate) fn count(outcomes: &[Outcome<'_>]) -> Count {
    let mut count = Count::default();
    outcomes.iter().for_each(|outcome| count.add(outcome));
    count
}

fn table<'a>(title: &str, outcomes: &'a [Outcome<'a>], key: impl Fn(&Outcome<'a>) -> &'a str) -> String {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    outcomes.iter().for_each(|outcome| counts.entry(key(outcome)).or_default().add(outcome));
    let mut text = format!(
        "| {title} | mutants | refused | equivalent | survivors | killed | share |\n|---|--:|--:|--:|--:|--:|--:|\n"
    );
    counts.iter().for_each(|(name, count)| text += &count.row(name));
    text + &count(outcomes).row("all")
}

/// Mutants that survive for the same reason, and the kernels in which they do.
fn survivors(outcomes: &[Outcome<'_>], wanted: impl Fn(&Outcome<'_>) -> bool) -> String {
    let mut by_reason: BTreeMap<(&str, usize, &str), (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| wanted(outcome)) {
        let reason = outcome.reason.map_or("Not understood yet.", |reason| reason.text.as_str());
        let entry = by_reason.entry((&outcome.mutant.file, outcome.mutant.line, reason)).or_default();
        entry.0.insert(&outcome.mutant.mutated);
        entry.1.insert(outcome.kernel);
    }
    let original = |file: &str, line: usize| {
        let found = outcomes.iter().find(|outcome| outcome.mutant.file == file && outcome.mutant.line == line);
        found.map_or("", |outcome| outcome.mutant.original.as_str())
    };
    let mut text = String::new();
    for ((file, line, reason), (becomes, kernels)) in &by_reason {
        let kernels = kernels.iter().copied().collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "- `{file}` line {line}, `{}`: {reason} In {kernels}.", original(file, *line));
        becomes
            .iter()
            .for_each(|line| text += &format!("  - `{}`\n", if line.is_empty() { "(left out)" } else { line }));
    }
    if text.is_empty() { "None.\n".into() } else { text }
}

/// The report's section on shaders.
pub(crate) fn section(outcomes: &[Outcome<'_>], adapter: &str) -> String {
    let total = count(outcomes);
    let mut distinct: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.is_killed() || outcome.is_survivor()) {
        *distinct.entry((&outcome.mutant.file, &outcome.mutant.text)).or_default() |= outcome.is_killed();
    }
    let mut how: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in outcomes {
        if let Verdict::Killed(by) = &outcome.verdict {
            *how.entry(by).or_default() += 1;
        }
    }
    let how: Vec<String> = how.iter().map(|(by, count)| format!("{by} {count}")).collect();
    format!(
        "## Shaders\n\n\
        {:.2} % of {} mutants are killed ({}), on {adapter}. A mutant of a shared file counts in each kernel that uses \
        what it changes, and must be killed by that kernel's own cases, as `cargo test` runs them. Of {} distinct \
        mutants, {} are killed by some kernel.\n\n\
        Kernels with more than {MOST} mutants are judged on {MOST} of them, products on {MOST_PRODUCT}, and products with \
        something fused to them on {MOST_FUSED}, those of what is fused first, as the plain products are judged too. Which \
        ones, a hash of their texts decides.\n\n\
        Not in the share: refused mutants, which are no valid WGSL, and equivalent ones, which change no result and are \
        listed below. Killed by: {}.\n\n{}\n{}\n### Survivors\n\n{}\n### Equivalent\n\n{}",
        total.share(),
        total.killed + total.survivors,
        total.killed,
        distinct.len(),
        distinct.values().filter(|killed| **killed).count(),
        how.join(", "),
        table("kernel", outcomes, |outcome| outcome.kernel),
        table("fault", outcomes, |outcome| outcome.mutant.rule.as_str()),
        survivors(outcomes, |outcome| outcome.is_survivor()),
        survivors(outcomes, |outcome| outcome.is_equivalent()),
    )
}
