//! Verifies a kernel over all its cases: each case is prepared once and run in every form.

use super::case::{Prepared, shape};
use super::compare::Worst;
use super::form::{CheckedVariant, WINDOW, check_all, prepare_all};
use super::relations::check_relations;
use super::row::{FailedCase, Failure, Row, Verdict, What};
use super::selection::{Settings, not_run};
use crate::error::Result;
use crate::gpu::{Gpu, Pipeline};
use crate::kernel::{AnyKernel, Case, Effort, Inputs};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Number of forms that run each case of the full run, taking turns; all of them if there are no more. Products have
/// dozens; those that share another's body need fewer.
fn forms_a_case(kernel: &dyn AnyKernel) -> usize {
    if kernel.body() == kernel.name() { 8 } else { 2 }
}

/// Whether this form is one of the `most` forms that run case `case`. The choice is scattered over the cases.
fn shares((form, forms): (usize, usize), most: usize, case: usize) -> bool {
    // Multiples of the golden ratio are evenly distributed modulo 1.
    let fraction = f64::from((case as u32).wrapping_mul(0x9e37_79b9)) / 2f64.powi(32);
    let first = (fraction * forms as f64) as usize;
    (form + forms - first) % forms < most
}

/// Result for a kernel.
pub(super) struct KernelFindings {
    /// One row per variant.
    pub(super) rows: Vec<Row>,
    /// Parameters of all cases that ran in some form.
    pub(super) shapes: BTreeSet<Vec<u8>>,
    /// Number of forms that ran a case.
    pub(super) forms: usize,
    /// Whether the device failed and cannot be used any more.
    pub(super) broken: bool,
}

/// A compiled form and its results so far.
struct Trial {
    form: CheckedVariant,
    pipeline: Pipeline,
    /// Whether a case has run; the first one triggers compilation on software drivers.
    begun: bool,
    worst: Worst,
    failed: usize,
    /// The first failure.
    failure: Option<Failure>,
    /// Whether the kernel's relations have been checked on a case.
    related: bool,
}

/// Verifies a kernel in these forms, on all cases or the one named by `settings`; calls `watch` as cases are compared.
/// No form is started after `until`.
///
/// # Errors
/// If the op's declarations contradict its shader. Device errors are in the rows.
pub(super) async fn verify(
    gpu: &Arc<Gpu>,
    kernel: &'static dyn AnyKernel,
    forms: Vec<CheckedVariant>,
    settings: &Settings,
    until: Option<Instant>,
    watch: &dyn Fn(usize),
) -> Result<KernelFindings> {
    let Settings { effort, case, .. } = *settings;
    let over = || until.is_some_and(|until| Instant::now() >= until);
    let variants: BTreeSet<String> = forms.iter().map(|form| form.variant.name.clone()).collect();
    let (mut trials, mut failures) = compile(gpu, forms, effort, &over).await;
    let (mut shapes, mut broken) = (BTreeSet::new(), false);
    if let Some(trial) = trials.first() {
        let reflection = trial.pipeline.reflection.clone();
        let wanted = |(index, _): &(usize, Case<Vec<u8>>)| case.is_none_or(|case| case == *index);
        let cases: Vec<_> = kernel.cases(effort).into_iter().enumerate().filter(wanted).collect();
        for window in cases.chunks(WINDOW) {
            if over() && !trials.iter().any(|trial| trial.begun) {
                break;
            }
            let prepared = prepare_all(kernel, &reflection, window, effort.seed())?;
            let mut compared = 0;
            let forms = trials.len();
            let most = if effort.is_full() && case.is_none() { forms_a_case(kernel) } else { forms };
            for (number, trial) in trials.iter_mut().enumerate().filter(|(_, trial)| trial.begun || !over()) {
                let takes = |prepared: &&Prepared| {
                    shares((number, forms), most, prepared.index)
                        && kernel.accepts(&prepared.case.params, &trial.form.variant)
                };
                let cases: Vec<_> = prepared.iter().filter(takes).collect();
                shapes.extend(cases.iter().map(|prepared| prepared.case.params.clone()));
                compared += cases.len();
                broken = broken || trial.run(gpu, &cases, effort).await.is_err();
            }
            watch(compared);
            if broken {
                break;
            }
        }
    }
    let forms = trials.iter().filter(|trial| trial.worst.cases + trial.failed > 0).count();
    failures.extend(trials.iter_mut().filter_map(|trial| trial.failure.take()));
    let rows = rows(kernel, variants, &trials, &failures, broken);
    let rows = if over() && !broken { without_unreached(kernel, rows) } else { rows };
    Ok(KernelFindings { rows, shapes, forms, broken })
}

/// The result for each variant.
fn rows(
    kernel: &dyn AnyKernel,
    variants: BTreeSet<String>,
    trials: &[Trial],
    failures: &[Failure],
    broken: bool,
) -> Vec<Row> {
    let row = |variant| {
        let mut row = Row { op: kernel.name(), variant, worst: Worst::default(), failed: 0, verdict: Verdict::Passed };
        for trial in trials.iter().filter(|trial| trial.form.variant.name == row.variant) {
            row.worst.include(trial.worst);
            row.failed += trial.failed;
        }
        row.verdict = match failures.iter().find(|failure| failure.variant == row.variant) {
            Some(failure) => Verdict::Failed(Box::new(failure.clone())),
            None if broken => Verdict::NotRun("incomplete: the device failed in another form".to_owned()),
            None if row.worst.cases == 0 => Verdict::NotRun("no case applies".to_owned()),
            None if row.worst.soft > 1.0 => Verdict::Loose,
            None => Verdict::Passed,
        };
        row
    };
    variants.into_iter().map(row).collect()
}

/// Merges all rows that the time limit cut off into one.
fn without_unreached(kernel: &dyn AnyKernel, rows: Vec<Row>) -> Vec<Row> {
    let unreached = |row: &Row| row.worst.cases == 0 && matches!(row.verdict, Verdict::NotRun(_));
    let (unreached, mut rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(unreached);
    if !unreached.is_empty() {
        let reason = "skipped (time limit); run with --full or --op NAME".to_owned();
        rows.push(not_run(kernel.name(), format!("{} more", unreached.len()), reason));
    }
    rows
}

/// Compiles forms until time is `over`; returns a failure for each that does not compile.
async fn compile(
    gpu: &Arc<Gpu>,
    forms: Vec<CheckedVariant>,
    effort: Effort,
    over: &dyn Fn() -> bool,
) -> (Vec<Trial>, Vec<Failure>) {
    let (mut trials, mut failures) = (Vec::new(), Vec::new());
    for form in forms.into_iter().take_while(|_| !over()) {
        match Pipeline::new(gpu, form.kernel, &form.variant, form.checks).await {
            Ok(pipeline) => {
                trials.push(Trial {
                    form,
                    pipeline,
                    begun: false,
                    worst: Worst::default(),
                    failed: 0,
                    failure: None,
                    related: false,
                });
            }
            Err(error) => {
                let wrong = What::Words(format!("checks {:?}: {error}", form.checks));
                let (op, variant) = (form.kernel.name(), form.variant.name);
                failures.push(Failure { op, variant, case: None, effort, wrong });
            }
        }
    }
    (trials, failures)
}

impl Trial {
    /// Runs cases and records their results.
    ///
    /// # Errors
    /// If the device fails; also recorded as the trial's failure.
    async fn run(&mut self, gpu: &Arc<Gpu>, cases: &[&Prepared], effort: Effort) -> Result<()> {
        let Some(first) = cases.first() else { return Ok(()) };
        self.begun = true;
        let CheckedVariant { kernel, variant, .. } = self.form.clone();
        let outcomes = match check_all(gpu, &self.pipeline, kernel, &variant, cases).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.failed += cases.len();
                self.fail(first, What::Words(error.to_string()), cases.len() == 1, effort);
                return Err(error);
            }
        };
        for (prepared, outcome) in cases.iter().zip(outcomes) {
            match outcome {
                Ok(worst) => self.worst.include(worst),
                Err(fault) => {
                    self.failed += 1;
                    if self.failure.is_none() {
                        // Cases of a submission are adjacent in memory, so one may corrupt another.
                        let again = check_all(gpu, &self.pipeline, kernel, &variant, &[prepared]).await;
                        let alone = !matches!(again.as_deref(), Ok([Ok(_)]));
                        self.fail(prepared, What::Element(fault), alone, effort);
                    }
                }
            }
        }
        // Relations do not depend on shape: one case suffices.
        let usual = cases.iter().rev().find(|prepared| prepared.case.inputs == Inputs::Random);
        match usual.filter(|_| self.failure.is_none() && (effort.is_full() || !self.related)) {
            Some(prepared) => self.relate(gpu, prepared, effort).await,
            None => Ok(()),
        }
    }

    /// Checks the kernel's relations on a case.
    ///
    /// # Errors
    /// If the device fails; also recorded as the trial's failure.
    async fn relate(&mut self, gpu: &Arc<Gpu>, prepared: &Prepared, effort: Effort) -> Result<()> {
        self.related = true;
        let CheckedVariant { kernel, variant, .. } = self.form.clone();
        let outcome = check_relations(gpu, &self.pipeline, kernel, &variant, prepared).await;
        let wrong = match &outcome {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(wrong)) => wrong.clone(),
            Err(error) => error.to_string(),
        };
        self.failed += 1;
        self.fail(prepared, What::Words(wrong), true, effort);
        outcome.map(|_| ())
    }

    fn fail(&mut self, prepared: &Prepared, wrong: What, alone: bool, effort: Effort) {
        let CheckedVariant { kernel, variant, checks, .. } = &self.form;
        let case = FailedCase {
            index: prepared.index,
            shape: shape(*kernel, &prepared.case.params),
            inputs: prepared.case.inputs,
            checks: *checks,
            alone,
        };
        let (op, variant, case) = (kernel.name(), variant.name.clone(), Some(case));
        self.failure.get_or_insert(Failure { op, variant, case, effort, wrong });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_shared_out_to_as_many_forms_and_each_form_has_its_share() {
        for (forms, most) in (1..50).flat_map(|forms| [2, 8].map(|most| (forms, most))) {
            let share = |form| (0..2000).filter(|&case| shares((form, forms), most, case)).count();
            let each = most.min(forms);
            for case in 0..2000 {
                assert_eq!((0..forms).filter(|&form| shares((form, forms), most, case)).count(), each);
            }
            assert!((0..forms).all(|form| share(form) > 1600 * each / forms), "{most} of {forms}");
        }
    }
}
