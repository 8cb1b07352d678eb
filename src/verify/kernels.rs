//! One kernel in many forms, over all of its cases: each is prepared once and run in every form.

use super::case::{Prepared, shape};
use super::compare::{Fault, Worst};
use super::form::{Form, WINDOW, check_all, prepare_all};
use super::row::{FailedCase, Failure, Row, Verdict, What};
use crate::error::Result;
use crate::gpu::{Gpu, Pipeline};
use crate::kernel::{AnyKernel, Case, Effort};
use crate::shader::Reflection;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was found of a kernel.
pub(super) struct Found {
    /// A row for each variant.
    pub(super) rows: Vec<Row>,
    /// Parameters of the cases that were compared in any form.
    pub(super) shapes: BTreeSet<Vec<u8>>,
    /// Forms in which a case was run.
    pub(super) forms: usize,
}

/// A form, compiled, and what was found of it so far.
struct Trial {
    form: Form,
    pipeline: Pipeline,
    worst: Worst,
    failed: usize,
    /// The first failure.
    failure: Option<Failure>,
}

/// Verifies a kernel in these forms, on all cases or on the one of this place; tells `watch` of cases as they are
/// compared.
///
/// # Errors
/// Where the op's own declarations contradict its shader. What the device does wrong is in the rows.
pub(super) async fn verify(
    gpu: &Arc<Gpu>,
    kernel: &'static dyn AnyKernel,
    forms: Vec<Form>,
    effort: Effort,
    case: Option<usize>,
    watch: &dyn Fn(usize),
) -> Result<Found> {
    let variants: BTreeSet<String> = forms.iter().map(|form| form.variant.name.clone()).collect();
    let (mut trials, mut failures) = compile(gpu, forms, effort).await;
    let mut shapes = BTreeSet::new();
    if let Some(trial) = trials.first() {
        let reflection = trial.pipeline.reflection.clone();
        let wanted = |(index, _): &(usize, Case<Vec<u8>>)| case.is_none_or(|case| case == *index);
        let cases: Vec<_> = kernel.cases(effort).into_iter().enumerate().filter(wanted).collect();
        for window in cases.chunks(WINDOW) {
            let compared = over_window(gpu, kernel, &mut trials, &reflection, window, effort, &mut shapes).await?;
            watch(compared);
        }
    }
    let forms = trials.iter().filter(|trial| trial.worst.cases + trial.failed > 0).count();
    failures.extend(trials.iter_mut().filter_map(|trial| trial.failure.take()));
    let row = |variant| {
        let mut row = Row { op: kernel.name(), variant, worst: Worst::default(), failed: 0, verdict: Verdict::Passed };
        for trial in trials.iter().filter(|trial| trial.form.variant.name == row.variant) {
            row.worst.include(trial.worst);
            row.failed += trial.failed;
        }
        row.verdict = match failures.iter().find(|failure| failure.variant == row.variant) {
            Some(failure) => Verdict::Failed(Box::new(failure.clone())),
            None if row.worst.cases == 0 => Verdict::NotRun("no case suits it".to_owned()),
            None if row.worst.soft > 1.0 => Verdict::Loose,
            None => Verdict::Passed,
        };
        row
    };
    Ok(Found { rows: variants.into_iter().map(row).collect(), shapes, forms })
}

/// Compiles the forms; a failure for each that the driver does not compile.
async fn compile(gpu: &Arc<Gpu>, forms: Vec<Form>, effort: Effort) -> (Vec<Trial>, Vec<Failure>) {
    let (mut trials, mut failures) = (Vec::new(), Vec::new());
    for form in forms {
        match Pipeline::new(gpu, form.kernel, &form.variant, form.checks).await {
            Ok(pipeline) => {
                trials.push(Trial { form, pipeline, worst: Worst::default(), failed: 0, failure: None });
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

/// Prepares some cases, and runs each in every form that accepts it. Gives how many comparisons that were.
async fn over_window(
    gpu: &Arc<Gpu>,
    kernel: &'static dyn AnyKernel,
    trials: &mut [Trial],
    reflection: &Reflection,
    window: &[(usize, Case<Vec<u8>>)],
    effort: Effort,
    shapes: &mut BTreeSet<Vec<u8>>,
) -> Result<usize> {
    let prepared = prepare_all(kernel, reflection, window, effort.seed())?;
    let mut compared = 0;
    for trial in trials {
        let accepted = |prepared: &&Prepared| kernel.accepts(&prepared.case.params, &trial.form.variant);
        let cases: Vec<_> = prepared.iter().filter(accepted).collect();
        match check_all(gpu, &trial.pipeline, kernel, &trial.form.variant, &cases).await {
            Ok(outcomes) => {
                for (prepared, outcome) in cases.iter().zip(outcomes) {
                    compared += 1;
                    shapes.insert(prepared.case.params.clone());
                    trial.include(gpu, prepared, outcome, effort).await;
                }
            }
            Err(error) => {
                trial.failed += cases.len();
                let first = cases.first().copied();
                trial.fail(first, What::Words(error.to_string()), true, effort);
                gpu.healthy()?;
            }
        }
    }
    Ok(compared)
}

impl Trial {
    async fn include(&mut self, gpu: &Arc<Gpu>, prepared: &Prepared, outcome: Result<Worst, Fault>, effort: Effort) {
        match outcome {
            Ok(worst) => self.worst.include(worst),
            Err(fault) => {
                self.failed += 1;
                if self.failure.is_none() {
                    // Neighbours in a submit lie close together, so that one may spoil another.
                    let again = check_all(gpu, &self.pipeline, self.form.kernel, &self.form.variant, &[prepared]).await;
                    let alone = !matches!(again.as_deref(), Ok([Ok(_)]));
                    self.fail(Some(prepared), What::Element(fault), alone, effort);
                }
            }
        }
    }

    fn fail(&mut self, prepared: Option<&Prepared>, wrong: What, alone: bool, effort: Effort) {
        let Form { kernel, variant, checks } = &self.form;
        let case = prepared.map(|prepared| FailedCase {
            index: prepared.index,
            shape: shape(*kernel, &prepared.case.params),
            inputs: prepared.case.inputs,
            checks: *checks,
            alone,
        });
        let failure = Failure { op: kernel.name(), variant: variant.name.clone(), case, effort, wrong };
        self.failure.get_or_insert(failure);
    }
}
