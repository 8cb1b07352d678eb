//! Selects what to verify.

use super::compare::Worst;
use super::form::{CheckedVariant, forms};
use super::row::{Row, Verdict};
use super::whole::Whole;
use crate::error::{Error, Kind, Result};
use crate::kernel::{AnyKernel, Caps, Effort};
use std::time::Duration;

/// The subgroup size that every subgroup kernel supports.
const USUAL_SUBGROUP: u32 = 32;

/// What to verify.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Size of the run, and its seed.
    pub effort: Effort,
    /// Only this kernel, or kind of check.
    pub op: Option<String>,
    /// Only this variant, or entry.
    pub variant: Option<String>,
    /// Only the case with this index.
    pub case: Option<usize>,
    /// Time limit after which no further low-priority forms are started.
    pub time: Option<Duration>,
}

impl Settings {
    /// Everything, at this effort.
    pub fn all(effort: Effort) -> Self {
        Self { effort, op: None, variant: None, case: None, time: None }
    }
}

/// A unit of work for a thread.
pub(super) enum VerifyJob {
    /// A kernel in these forms.
    Kernel(&'static dyn AnyKernel, Vec<CheckedVariant>),
    /// A kernel in as many of these forms as time allows.
    Spare(&'static dyn AnyKernel, Vec<CheckedVariant>),
    Whole(Whole, String),
}

/// What `settings` select.
pub(super) struct Selection {
    /// In order of execution; time-limited jobs are last.
    pub(super) jobs: Vec<VerifyJob>,
    /// Rows the adapter cannot run.
    pub(super) not_run: Vec<Row>,
    /// Total number of forms on the adapter.
    pub(super) forms_in_all: usize,
}

/// Selects from these kernels and the other checks.
///
/// # Errors
/// If a name or case in `settings` does not exist.
pub(super) fn select(kernels: &[&'static dyn AnyKernel], settings: &Settings, caps: &Caps) -> Result<Selection> {
    let names: Vec<_> = kernels.iter().map(|kernel| kernel.name()).chain(Whole::ALL.map(Whole::name)).collect();
    let among = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if let Some(op) = settings.op.as_ref().filter(|op| !names.contains(&op.as_str())) {
        return Err(unknown("op", op, &names));
    }
    let (mut spare, mut jobs, mut not_run, mut forms_in_all, mut variants) =
        (Vec::new(), Vec::new(), Vec::new(), 0, Vec::new());
    for whole in Whole::ALL.into_iter().filter(|whole| settings.case.is_none() && among(&settings.op, whole.name())) {
        let entries = whole.entries(settings.effort);
        variants.extend(entries.iter().cloned());
        let chosen = entries.into_iter().filter(|entry| among(&settings.variant, entry));
        jobs.extend(chosen.map(|entry| VerifyJob::Whole(whole, entry)));
    }
    for kernel in kernels.iter().filter(|kernel| among(&settings.op, kernel.name())) {
        let all = kernel.variants(caps);
        forms_in_all += 2 * all.len();
        variants.extend(all.iter().map(|variant| variant.name.clone()));
        let chosen = |form: &CheckedVariant| among(&settings.variant, &form.variant.name);
        let chosen: Vec<_> = forms(*kernel, caps, settings.effort).into_iter().filter(chosen).collect();
        let (needed, others) = chosen.into_iter().partition(|form| form.first || settings.time.is_none());
        if !Vec::is_empty(&needed) {
            jobs.push(VerifyJob::Kernel(*kernel, needed));
        }
        if !Vec::is_empty(&others) {
            spare.push(VerifyJob::Spare(*kernel, others));
        }
        not_run.extend(without_subgroups(*kernel, caps).filter(|_| settings.variant.is_none()));
    }
    // Longest first, then jobs that reuse compiled forms.
    jobs.sort_by_key(|job| matches!(job, VerifyJob::Whole(Whole::Determinism | Whole::Transposes, _)));
    jobs.extend(spare);
    match (&settings.variant, settings.case) {
        (Some(variant), _) if jobs.is_empty() => Err(unknown("variant", variant, &variants)),
        (_, Some(case)) if !has_case(&jobs, case, settings.effort) => {
            let advice = "use the case and seed from the failure message, and --full if it was a full run";
            Err(Error::new(Kind::Usage, format!("no case {case} for this op"), advice))
        }
        _ => Ok(Selection { jobs, not_run, forms_in_all }),
    }
}

fn has_case(jobs: &[VerifyJob], case: usize, effort: Effort) -> bool {
    jobs.iter()
        .any(|job| matches!(job, VerifyJob::Kernel(kernel, _) | VerifyJob::Spare(kernel, _) if case < kernel.cases(effort).len()))
}

/// A row for the forms the kernel would have with the usual subgroup size.
fn without_subgroups(kernel: &dyn AnyKernel, caps: &Caps) -> Option<Row> {
    let with = kernel.variants(&Caps { subgroup_size: Some(USUAL_SUBGROUP), ..caps.clone() }).len();
    let lacking = with.saturating_sub(kernel.variants(caps).len());
    let reason = match caps.subgroup_size {
        None => "the adapter lacks subgroup operations of a fixed size".to_owned(),
        Some(size) => format!("no variant for subgroups of {size}"),
    };
    (lacking > 0).then(|| not_run(kernel.name(), format!("{lacking} with subgroups"), reason))
}

/// A row for something the adapter cannot run.
pub(super) fn not_run(op: &'static str, variant: String, reason: String) -> Row {
    let worst = Worst { ulps: None, ..Worst::default() };
    Row { op, variant, worst, failed: 0, verdict: Verdict::NotRun(reason) }
}

/// The error for an unknown name; suggests similar ones.
pub fn unknown(what: &str, name: &str, names: &[impl AsRef<str>]) -> Error {
    let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.sort_by_key(|other| (distance(name, other), *other));
    names.dedup();
    names.truncate(8);
    let advice = format!("similar names: {}", names.join(", "));
    Error::new(Kind::Usage, format!("unknown {what} {name:?}"), advice)
}

/// Levenshtein distance by the algorithm of Wagner and Fischer, "The String-to-String Correction Problem", Journal of
/// the ACM 21(1), 1974.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changes() {
        let pairs = [("", ""), ("relu", "relu"), ("relu", "rely"), ("relu", "elu"), ("relu", "gelu_tanh"), ("abc", "")];
        assert_eq!(pairs.map(|(a, b)| distance(a, b)), [0, 0, 1, 1, 6, 3]);
    }
}
