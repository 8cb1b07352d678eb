//! Forms of kernels (variant and runtime checks), and running cases on them.

use super::case::{Prepared, prepare, shape};
use super::compare::{Mismatch, Worst, compare};
use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, Gpu, Pipeline, Run};
use crate::kernel::{AnyKernel, Caps, Case, Effort, Variant};
use crate::shader::Reflection;
use rayon::prelude::*;
use std::sync::Arc;

/// Number of cases prepared, and submitted, together.
pub(super) const WINDOW: usize = 32;

/// A kernel in one variant, with or without the driver's runtime checks.
#[derive(Clone)]
pub struct CheckedVariant {
    /// The kernel.
    pub kernel: &'static dyn AnyKernel,
    /// One of its variants.
    pub variant: Variant,
    /// Whether runtime checks are compiled in.
    pub checks: Checks,
    /// Whether it is run first if time is short: training would use the variant, for composed kernels in their first
    /// case.
    pub first: bool,
}

/// The forms of a kernel to verify on an adapter: each variant without runtime checks, as in training, then with them.
///
/// In the quick run, kernels that share another's body run only without runtime checks; composed kernels, only in the
/// variants training would use.
pub fn forms(kernel: &'static dyn AnyKernel, caps: &Caps, effort: Effort) -> Vec<CheckedVariant> {
    let chosen = kernel.cases(effort).into_iter().map(|case| kernel.choose(&case.params, caps).name);
    let chosen: Vec<String> = chosen.collect();
    let first = if kernel.is_composed() { &chosen[..chosen.len().min(1)] } else { &chosen };
    let mut forms = Vec::new();
    for variant in kernel.variants(caps) {
        let first = first.contains(&variant.name);
        if kernel.is_composed() && !effort.is_full() && !chosen.contains(&variant.name) {
            continue;
        }
        let on = effort.is_full() || kernel.body() == kernel.name();
        let checks = [Checks::Off].into_iter().chain(on.then_some(Checks::On));
        forms.extend(checks.map(|checks| CheckedVariant { kernel, variant: variant.clone(), checks, first }));
    }
    forms
}

/// Prepares cases in parallel; each comes with its index among the kernel's cases.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_all(
    kernel: &dyn AnyKernel,
    reflection: &Reflection,
    cases: &[(usize, Case<Vec<u8>>)],
    seed: u64,
) -> Result<Vec<Prepared>> {
    let each = |(index, case): &(usize, Case<Vec<u8>>)| prepare(kernel, reflection, case.clone(), seed, *index);
    cases.par_iter().map(each).collect()
}

/// Runs a compiled kernel on these cases in one submission, and compares each with the twin.
///
/// # Errors
/// If the device fails. Wrong results are in the vector.
pub async fn check_all(
    gpu: &Arc<Gpu>,
    pipeline: &Pipeline,
    kernel: &dyn AnyKernel,
    variant: &Variant,
    cases: &[&Prepared],
) -> Result<Vec<Result<Worst, Mismatch>>> {
    let mut runs = Vec::new();
    for Prepared { case, words, .. } in cases {
        runs.push(Run { params: &case.params, groups: kernel.groups(&case.params, variant), arrays: words });
    }
    let after = pipeline.run_all(gpu, &runs).await?;
    let compared = cases.par_iter().zip(after);
    Ok(compared.map(|(prepared, after)| compare(&pipeline.reflection, prepared, &after)).collect())
}

/// [`check_all`] of one case.
///
/// # Errors
/// If the device fails or a result is wrong.
pub async fn check(
    gpu: &Arc<Gpu>,
    pipeline: &Pipeline,
    kernel: &dyn AnyKernel,
    variant: &Variant,
    prepared: &Prepared,
) -> Result<Worst> {
    let mut outcomes = check_all(gpu, pipeline, kernel, variant, &[prepared]).await?;
    let outcome = outcomes.pop().unwrap_or_else(|| Ok(Worst::default()));
    outcome.map_err(|fault| wrong(kernel, variant, prepared, &fault))
}

/// Runs all cases of a kernel that a variant accepts.
///
/// # Errors
/// If the device fails, or at the first wrong case.
pub async fn check_variant(
    gpu: &Arc<Gpu>,
    kernel: &dyn AnyKernel,
    variant: &Variant,
    checks: Checks,
    effort: Effort,
) -> Result<Worst> {
    let pipeline = Pipeline::new(gpu, kernel, variant, checks).await?;
    let accepted = |(_, case): &(usize, Case<Vec<u8>>)| kernel.accepts(&case.params, variant);
    let cases: Vec<_> = kernel.cases(effort).into_iter().enumerate().filter(accepted).collect();
    let mut worst = Worst::default();
    for window in cases.chunks(WINDOW) {
        let prepared = prepare_all(kernel, &pipeline.reflection, window, effort.seed())?;
        let prepared: Vec<_> = prepared.iter().collect();
        for (prepared, outcome) in prepared.iter().zip(check_all(gpu, &pipeline, kernel, variant, &prepared).await?) {
            worst.include(outcome.map_err(|fault| wrong(kernel, variant, prepared, &fault))?);
        }
    }
    Ok(worst)
}

fn wrong(kernel: &dyn AnyKernel, variant: &Variant, prepared: &Prepared, fault: &Mismatch) -> Error {
    let shape = shape(kernel, &prepared.case.params);
    Error::new(
        Kind::Device,
        format!("{} {variant}, case {}, {shape}: {fault}", kernel.name(), prepared.index),
        "the shader or the driver gives wrong results: update the driver, or report this message",
    )
}
