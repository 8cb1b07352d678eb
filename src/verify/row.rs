//! Verification results: a row per op and variant, and the details of failures.

use super::compare::{Mismatch, Worst};
use crate::gpu::Checks;
use crate::kernel::{Effort, Inputs};
use std::cmp::Ordering;
use std::fmt;

/// The result for an op in one variant, or for one entry of a [`Whole`](super::Whole).
#[derive(Clone, Debug)]
pub struct Row {
    /// The kernel, or the kind of check.
    pub op: &'static str,
    /// The variant, or the entry.
    pub variant: String,
    /// Number of cases compared, and worst errors.
    pub worst: Worst,
    /// Number of failed cases, not included in `worst`.
    pub failed: usize,
    /// The verdict.
    pub verdict: Verdict,
}

/// The verdict on a row.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// All errors are within both bounds.
    Passed,
    /// Within the hard bound but above the expected error.
    Loose,
    /// Some error exceeds the hard bound; the first failure.
    Failed(Box<Failure>),
    /// Not run, with the reason.
    NotRun(String),
}

/// The first failed case of a row.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The kernel, or the kind of check.
    pub op: &'static str,
    /// The variant, or the entry.
    pub variant: String,
    /// The failed case; `None` for a kind of check, or if a shader did not compile.
    pub case: Option<FailedCase>,
    /// Size and seed of the run.
    pub effort: Effort,
    /// The error.
    pub wrong: What,
}

/// Identifies a failed case.
#[derive(Clone, Debug)]
pub struct FailedCase {
    /// Index among the kernel's cases.
    pub index: usize,
    /// Parameters, formatted as `m=3 k=4 n=5`.
    pub shape: String,
    /// Kind of input.
    pub inputs: Inputs,
    /// Whether runtime checks were compiled in.
    pub checks: Checks,
    /// Whether it also fails alone, not only in a submission with other cases.
    pub alone: bool,
}

/// The error of a case or check.
#[derive(Clone, Debug)]
pub enum What {
    /// A wrong element.
    Element(Mismatch),
    /// A description.
    Words(String),
}

impl Verdict {
    /// The verdict in one or two words.
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
    /// Worst first: failures, then loose or not run, then by error relative to the bound.
    pub fn worst_first(&self, other: &Self) -> Ordering {
        let by_share = other.worst.hard.total_cmp(&self.worst.hard);
        let by_name = (self.op, &self.variant).cmp(&(other.op, &other.variant));
        self.verdict.rank().cmp(&other.verdict.rank()).then(by_share).then(by_name)
    }
}

impl Failure {
    /// Command-line arguments that select exactly this failure: `--op NAME --variant NAME --case N --seed N`.
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
                f.write_str(", only in a submission with other cases")?;
            }
        }
        match &self.wrong {
            What::Element(fault) => write!(f, ": {fault}"),
            What::Words(words) => write!(f, ": {words}"),
        }
    }
}
