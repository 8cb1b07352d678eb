//! Tuning the forms of ops: each form is lowered into a plan of its own and timed there with all its kernels.

use super::race::{Racer, race};
use super::{Choice, KnownVariants, Timed, numbers};
use crate::error::{Error, Kind, Result};
use crate::gpu::{Gpu, GpuExecutor, Pipelines};
use crate::graph::{Choices, Form, OpenOp};
use crate::plan::{Executor, Plan};
use crate::random::{Random, stream};
use crate::shape::DType;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The result of tuning forms.
#[derive(Debug)]
pub struct TunedForms {
    /// The forms to lower graphs with, new and cached.
    pub choices: Choices,
    /// Ops timed in this run.
    pub timed: Vec<Timed>,
    /// Ops whose form was cached.
    pub known: usize,
    /// Ops skipped for lack of time.
    pub left: usize,
}

/// Applies cached forms to the ops of `open`, which [`Graph::open_ops`](crate::graph::Graph::open_ops) lists for this
/// device, and times the forms of the others until `budget` is used up.
///
/// Forms differ in summation order only. A plan lowered with the choices is then tuned and tested like any other.
///
/// # Errors
/// If an op cannot be lowered by itself, or the device fails.
pub async fn tune_forms(
    gpu: &Arc<Gpu>,
    open: &[OpenOp],
    found: &mut KnownVariants,
    budget: Duration,
    pipelines: &Pipelines,
) -> Result<TunedForms> {
    let end = Instant::now() + budget;
    let mut tuned = TunedForms { choices: Choices::new(gpu.caps.clone()), timed: Vec::new(), known: 0, left: 0 };
    for op in open {
        let plans = plans(gpu, op)?;
        if let Some(form) = found.form(gpu, op, &plans) {
            tuned.choices.forms.insert(op.key(), form);
            tuned.known += 1;
        } else if let Some((form, timed)) = time(gpu, op, &plans, end, pipelines).await? {
            found.add_form(gpu, op, &plans, form);
            tuned.choices.forms.insert(op.key(), form);
            tuned.timed.push(timed);
        } else {
            tuned.left += 1;
        }
    }
    Ok(tuned)
}

/// Each form of an op with a plan that computes the op in that form.
fn plans(gpu: &Gpu, op: &OpenOp) -> Result<Vec<(Form, Plan)>> {
    op.forms.iter().map(|&form| Ok((form, op.plan(form, &gpu.caps)?))).collect()
}

/// Times the forms of an op in turns; `None` if `end` is reached before each had one.
async fn time(
    gpu: &Arc<Gpu>,
    op: &OpenOp,
    plans: &[(Form, Plan)],
    end: Instant,
    pipelines: &Pipelines,
) -> Result<Option<(Form, Timed)>> {
    let mut racers = Vec::new();
    for (form, plan) in plans {
        if Instant::now() >= end {
            return Ok(None);
        }
        let mut executor = GpuExecutor::with_pipelines(gpu.clone(), plan.clone(), pipelines.clone()).await?;
        fill(&mut executor)?;
        executor.time(OpenOp::SECTION, 1)?; // Drivers defer work to the first run.
        racers.push(Racer::new(form.to_string(), move |repeats| executor.time(OpenOp::SECTION, repeats))?);
    }
    let usual = plans.first().map(|(form, _)| form.to_string()).unwrap_or_default();
    let Some((candidates, chosen)) = race(racers, &usual, end)? else { return Ok(None) };
    let form = plans.iter().find(|(form, _)| form.to_string() == chosen).map(|(form, _)| *form);
    let dispatches = plans.iter().take(1).flat_map(|(_, plan)| &plan.sections).flat_map(|section| &section.dispatches);
    let flops = dispatches.map(|dispatch| dispatch.kernel.flops(&dispatch.params)).sum();
    let key = op.key();
    let timed = Timed { kernel: key.op.clone(), shape: key.shapes(), flops, candidates, chosen, usual };
    Ok(form.map(|form| (form, timed)))
}

/// Values similar to training's for the op's inputs; words stay 0.
fn fill(executor: &mut GpuExecutor) -> Result<()> {
    let some: Vec<f32> = numbers(&mut Random::new(1, stream::CASES)).collect();
    let inputs = (0..).map_while(|number| executor.memory().find(&OpenOp::input_name(number)));
    for input in inputs.collect::<Vec<_>>() {
        let slot = executor.memory().slot(input);
        if slot.ty.dtype == DType::F32 {
            let values: Vec<f32> = some.iter().copied().cycle().take(slot.words).collect();
            executor.write_f32(input, &values)?;
        }
    }
    Ok(())
}

/// The forms used for the ops of `open`, as [`replay_forms`] reads them.
pub fn forms_in_use(open: &[OpenOp], choices: &Choices) -> Vec<Choice> {
    let choice = |op: &OpenOp| {
        let key = op.key();
        let form = choices.forms.get(&key).filter(|form| op.forms.contains(form)).or(op.forms.first())?;
        Some(Choice { shape: key.shapes(), variant: form.to_string(), kernel: key.op })
    };
    open.iter().filter_map(choice).collect()
}

/// Takes the forms of the ops of `open` from `recorded`; the other recorded choices are returned for
/// [`replay`](super::replay).
///
/// # Errors
/// If the device does not offer a form.
pub fn replay_forms(gpu: &Gpu, open: &[OpenOp], recorded: &[Choice]) -> Result<(Choices, Vec<Choice>)> {
    let (mut choices, mut rest) = (Choices::new(gpu.caps.clone()), Vec::new());
    for choice in recorded {
        let about = |op: &&OpenOp| (op.key().op, op.key().shapes()) == (choice.kernel.clone(), choice.shape.clone());
        let Some(op) = open.iter().find(about) else {
            rest.push(choice.clone());
            continue;
        };
        let form = op.forms.iter().find(|form| form.to_string() == choice.variant).ok_or_else(|| {
            let advice = "use the adapter and version that the choices are of";
            Error::new(Kind::Usage, format!("{choice}: the adapter has no such form"), advice)
        })?;
        choices.forms.insert(op.key(), *form);
    }
    Ok((choices, rest))
}
