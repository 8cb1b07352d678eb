//! What verification finds: a row for each op and variant, and what a failure says.

use super::compare::{Fault, Worst};
use crate::gpu::Checks;
use crate::kernel::{Effort, Inputs};
use std::cmp::Ordering;
use std::fmt;

/// What was found of an op in one variant, or of one entry of a [`Whole`](super::Whole).
#[derive(Clone, Debug)]
pub struct Row {
    /// The kernel, or the kind of check.
    pub op: &'static str,
    /// Its variant, or the entry.
    pub variant: String,
    /// How many errors were compared, and the worst.
    pub worst: Worst,
    /// Cases that failed; they are not among those compared.
    pub failed: usize,
    /// What follows from them.
    pub verdict: Verdict,
}

/// What follows from the cases of a row.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All errors are within the gates.
    Passed,
    /// All are within the gate that every driver must keep, not within the one that a good driver keeps.
    Loose,
    /// One is not: the first.
    Failed(Box<Failure>),
    /// Nothing was run, for this reason.
    NotRun(String),
}

/// The first case of a row that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The kernel, or the kind of check.
    pub op: &'static str,
    /// Its variant, or the entry.
    pub variant: String,
    /// Which case of which kernel; `None` for a kind of check, and where a shader did not compile.
    pub case: Option<FailedCase>,
    /// Size and seed of the run.
    pub effort: Effort,
    /// What is wrong.
    pub wrong: What,
}

/// Which case failed.
#[derive(Clone, Debug)]
pub struct FailedCase {
    /// Its place among the kernel's cases.
    pub index: usize,
    /// Its parameters, as `m=3 k=4 n=5`.
    pub shape: String,
    /// Its kind of input.
    pub inputs: Inputs,
    /// Whether runtime checks were compiled in.
    pub checks: Checks,
    /// Whether it fails by itself, too, and not only in one submit with others.
    pub alone: bool,
}

/// What is wrong with a case or a check.
#[derive(Clone, Debug)]
pub enum What {
    /// An element.
    Element(Fault),
    /// What these words say.
    Words(String),
}

impl Verdict {
    /// In one word, or two.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "pass",
            Self::Loose => "loose",
            Self::Failed(_) => "FAIL",
            Self::NotRun(_) => "not run",
        }
    }

    fn rank(&self) -> usize {
        match self {
            Self::Failed(_) => 0,
            Self::Loose => 1,
            Self::NotRun(_) => 2,
            Self::Passed => 3,
        }
    }
}

impl Row {
    /// The worst first: failures, then what is loose or was not run, then by the share of the bound.
    pub fn worst_first(&self, other: &Self) -> Ordering {
        let by_share = other.worst.hard.total_cmp(&self.worst.hard);
        let by_name = (self.op, &self.variant).cmp(&(other.op, &other.variant));
        self.verdict.rank().cmp(&other.verdict.rank()).then(by_share).then(by_name)
    }
}

impl Failure {
    /// The words of a command that select just what failed: `--op NAME --variant NAME --case N --seed N`.
    pub fn selection(&self) -> Vec<String> {
        let mut words = vec!["--op".to_owned(), self.op.to_owned(), "--variant".to_owned(), self.variant.clone()];
        let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
        if let Some(case) = &self.case {
            add("--case", case.index.to_string());
        }
        add("--seed", self.effort.seed().to_string());
        if self.effort.is_full() {
            words.push("--full".to_owned());
        }
        words
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.variant)?;
        if let Some(FailedCase { index, shape, inputs, checks, alone }) = &self.case {
            let (inputs, checks) = (format!("{inputs:?}").to_lowercase(), format!("{checks:?}").to_lowercase());
            write!(f, ", case {index} ({shape}, {inputs} inputs, checks {checks}), seed {}", self.effort.seed())?;
            if !alone {
                f.write_str(", only in one submit with other cases")?;
            }
        }
        match &self.wrong {
            What::Element(fault) => write!(f, ": {fault}"),
            What::Words(words) => write!(f, ": {words}"),
        }
    }
}
