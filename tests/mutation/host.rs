//! The report on host code, from cargo-mutants' results, as Markdown.

use super::reasons::HostReason;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The mutants of a file by outcome.
#[derive(Clone, Copy, Default)]
struct Count {
    caught: usize,
    hung: usize,
    missed: usize,
    equivalent: usize,
    unviable: usize,
}

impl Count {
    fn killed(&self) -> usize {
        self.caught + self.hung
    }

    /// The killed share of those that compile, in percent.
    fn share(&self) -> f64 {
        100.0 * self.killed() as f64 / (self.killed() + self.missed).max(1) as f64
    }

    fn row(&self, name: &str) -> String {
        let Self { hung, missed, equivalent, unviable, .. } = self;
        let (killed, share) = (self.killed(), self.share());
        let mutants = killed + missed + equivalent + unviable;
        format!("| {name} | {mutants} | {unviable} | {equivalent} | {missed} | {killed} | {hung} | {share:.1} % |\n")
    }
}

/// The results of cargo-mutants in all subfolders of `folder`.
pub(crate) struct Host {
    files: BTreeMap<String, Count>,
    reasons: Vec<HostReason>,
    /// Surviving mutants by cargo-mutants' names, including equivalent ones.
    missed: Vec<String>,
}

impl Host {
    /// # Panics
    /// If a list cannot be read.
    pub(crate) fn read(folder: &Path, reasons: Vec<HostReason>) -> Self {
        let mut host = Self { files: BTreeMap::new(), reasons, missed: Vec::new() };
        let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let lists = entry.expect("the folder can be read").path().join("mutants.out");
            host.add(&lists.join("caught.txt"), |count| &mut count.caught);
            host.add(&lists.join("timeout.txt"), |count| &mut count.hung);
            host.add(&lists.join("unviable.txt"), |count| &mut count.unviable);
            let missed = host.add(&lists.join("missed.txt"), |count| &mut count.missed);
            let equivalent = |mutant: &&String| host.reason(mutant).is_some_and(|reason| reason.equivalent);
            let equivalent: Vec<&String> = missed.iter().filter(equivalent).collect();
            for mutant in equivalent {
                let count = host.files.get_mut(file(mutant)).expect("it was added");
                (count.missed, count.equivalent) = (count.missed - 1, count.equivalent + 1);
            }
            host.missed.extend(missed);
        }
        host.missed.sort();
        host
    }

    /// Counts the mutants of a list, and returns them.
    fn add(&mut self, list: &Path, number: fn(&mut Count) -> &mut usize) -> Vec<String> {
        let text = std::fs::read_to_string(list).unwrap_or_else(|e| panic!("{}: {e}", list.display()));
        for line in text.lines() {
            *number(self.files.entry(file(line).to_owned()).or_default()) += 1;
        }
        text.lines().map(str::to_owned).collect()
    }

    fn total(&self) -> Count {
        self.files.values().fold(Count::default(), |a, b| Count {
            caught: a.caught + b.caught,
            hung: a.hung + b.hung,
            missed: a.missed + b.missed,
            equivalent: a.equivalent + b.equivalent,
            unviable: a.unviable + b.unviable,
        })
    }

    /// The killed share of those that compile, in percent.
    pub(crate) fn share(&self) -> f64 {
        self.total().share()
    }

    /// The report's section on host code.
    pub(crate) fn section(&self) -> String {
        let total = self.total();
        let mut text = format!(
            "## Host code\n\n\
            {:.2} % of {} mutants of `src/plan`, `src/graph` and `src/gpu` are killed ({}), by the few tests that \
            `.cargo/mutants.toml` names. They are every fourth of those that cargo-mutants makes, in its order. Not in \
            the share: the unviable, which do not compile, and the equivalent, which change nothing. Those that hang are \
            killed by the time limit.\n\n\
            | file | mutants | unviable | equivalent | survivors | killed | of them hang | share |\n\
            |---|--:|--:|--:|--:|--:|--:|--:|\n",
            total.share(),
            total.killed() + total.missed,
            total.killed(),
        );
        self.files.iter().for_each(|(file, count)| text += &count.row(file));
        text += &total.row("all");
        for (heading, equivalent) in [("Survivors", false), ("Equivalent", true)] {
            let _ = writeln!(text, "\n### {heading} of host code\n");
            for mutant in &self.missed {
                let reason = self.reason(mutant);
                if reason.is_some_and(|reason| reason.equivalent) == equivalent {
                    let reason = reason.map_or("Not understood yet.", |reason| &reason.text);
                    let _ = writeln!(text, "- `{mutant}`: {reason}");
                }
            }
        }
        text
    }

    fn reason(&self, mutant: &str) -> Option<&HostReason> {
        self.reasons.iter().find(|reason| reason.is_about(mutant))
    }
}

/// The file of a mutant.
fn file(mutant: &str) -> &str {
    mutant.split(':').next().unwrap_or_default()
}
