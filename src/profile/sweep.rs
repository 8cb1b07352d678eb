//! Sweeps a kernel over its variants and shapes.

use super::blocks::blocks;
use super::report::{Clock, DispatchRow, Peaks, Profile};
use super::subject::Subject;
use crate::cpu::CpuExecutor;
use crate::error::{Error, Kind, Result};
use crate::gpu::{Checks, ClockFlaw, Gpu, GpuExecutor, Pipelines, Stamps};
use crate::kernel::{AnyKernel, Caps, Case, Effort, Inputs, Variant, word};
use crate::plan::{Memory, Plan, Role, SlotId};
use crate::shader::{Reflection, Scalar};
use crate::shape::DType;
use crate::verify::{Prepared, check_all, prepare, unknown};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Bytes that a prepared case takes per element: data, oracle and tolerances.
const PREPARED: usize = 64;
/// The plan's only section.
const SECTION: &str = "kernel";

/// What to sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Device description, for display.
    pub device: String,
    /// The kernel and the source of its shapes, for display.
    pub title: String,
    /// Kernels with parameters.
    pub jobs: Vec<SweepJob>,
}

/// A kernel with parameters.
#[derive(Clone)]
pub struct SweepJob {
    /// The kernel.
    pub kernel: &'static dyn AnyKernel,
    /// Its parameters.
    pub params: Vec<u8>,
}

impl std::fmt::Debug for SweepJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kernel.name(), crate::verify::shape(self.kernel, &self.params))
    }
}

/// The kernel named `name` among `all`, or all kernels of a family, such as the products of all layouts for `matmul`.
///
/// # Errors
/// If there is none; suggests similar names.
pub fn kernels(all: &[&'static dyn AnyKernel], name: &str) -> Result<Vec<&'static dyn AnyKernel>> {
    if let Some(kernel) = all.iter().find(|kernel| kernel.name() == name) {
        return Ok(vec![*kernel]);
    }
    let of_family = |kernel: &&&'static dyn AnyKernel| {
        kernel.body() == kernel.name() && kernel.name().strip_prefix(name).is_some_and(|rest| rest.starts_with('_'))
    };
    let family: Vec<_> = all.iter().filter(of_family).copied().collect();
    if family.is_empty() {
        let names: Vec<_> = all.iter().map(|kernel| kernel.name()).collect();
        return Err(unknown("kernel", name, &names));
    }
    Ok(family)
}

impl SweepJob {
    /// A kernel whose shape is given by its binding extents, in parameter order.
    ///
    /// # Errors
    /// If the kernel has parameters other than extents, or the number or values of the extents do not fit.
    pub fn with_extents(kernel: &'static dyn AnyKernel, extents: &[u32]) -> Result<Self> {
        let name = kernel.name();
        let refuse = |cause: String, advice: String| Err(Error::new(Kind::Usage, cause, advice));
        let (fields, _) = kernel.fields();
        let reflection = reflection(kernel)?;
        let shaping: BTreeSet<_> = reflection.bindings.iter().flat_map(|binding| &binding.extents).collect();
        if fields.iter().any(|field| field.scalar == Scalar::U32 && !shaping.contains(&field.name)) {
            let advice = format!("use --kernel {name} with a model that defines the shapes");
            return refuse(format!("{name} has parameters beyond its shape"), advice);
        }
        let cases = kernel.cases(Effort::QUICK);
        let extent_fields: Vec<_> = fields.iter().filter(|field| field.scalar == Scalar::U32).collect();
        let names: Vec<_> = extent_fields.iter().map(|field| field.name.as_str()).collect();
        let Some(first) = cases.first().filter(|_| names.len() == extents.len()) else {
            let advice = format!(
                "expected {}, such as --kernel {name}:{}",
                names.join(" x "),
                ["64"].repeat(names.len()).join("x")
            );
            return refuse(format!("{} extents for {name}, expected {}", extents.len(), names.len()), advice);
        };
        let mut params = first.params.clone();
        for (field, extent) in extent_fields.iter().zip(extents) {
            let whole = |case: &Case<Vec<u8>>| word(&fields, &case.params, &field.name).is_some_and(|x| x % 4 == 0);
            let step = if cases.iter().all(whole) { 4 } else { 1 };
            if *extent == 0 || !extent.is_multiple_of(step) {
                let advice = format!("use a positive multiple of {step}");
                return refuse(format!("{} = {extent} for {name}", field.name), advice);
            }
            params[field.offset..field.offset + 4].copy_from_slice(&extent.to_ne_bytes());
        }
        Ok(Self { kernel, params })
    }

    /// The shapes of the kernel, or of one with the same body, in `plans`; if unused there, its two largest test cases.
    pub fn of_plans(kernel: &'static dyn AnyKernel, plans: &[Plan]) -> Result<Vec<Self>> {
        let mut params: Vec<Vec<u8>> = Vec::new();
        let dispatches = plans.iter().flat_map(|plan| &plan.sections).flat_map(|section| &section.dispatches);
        let suits = |other: &dyn AnyKernel| other.name() == kernel.name() || other.body() == kernel.name();
        for dispatch in dispatches.filter(|dispatch| suits(dispatch.kernel)) {
            if !params.contains(&dispatch.params) {
                params.push(dispatch.params.clone());
            }
        }
        if params.is_empty() {
            let reflection = reflection(kernel)?;
            let mut cases: Vec<_> = kernel.cases(Effort::QUICK).into_iter().map(|case| case.params).collect();
            cases.sort_by_cached_key(|params| words(kernel, &reflection, params).map_or(0, |words| words.iter().sum()));
            cases.dedup();
            params = cases.split_off(cases.len().saturating_sub(2));
        }
        Ok(params.into_iter().map(|params| Self { kernel, params }).collect())
    }

    /// A plan of this kernel alone, and its slots in binding order.
    fn plan(&self) -> Result<(Plan, Vec<SlotId>)> {
        let (fields, _) = self.kernel.fields();
        let reflection = reflection(self.kernel)?;
        let mut memory = Memory::default();
        let mut slots = Vec::new();
        for binding in &reflection.bindings {
            let ty = binding.ty(|name| word(&fields, &self.params, name))?;
            slots.push(memory.tensor(&binding.name, Role::Scratch, ty)?);
        }
        let names = reflection.bindings.iter().map(|binding| binding.name.as_str());
        let bindings: Vec<_> = names.zip(slots.iter().copied()).collect();
        let mut plan = Plan::new(memory);
        plan.begin(SECTION);
        plan.dispatch_any(self.kernel.name().to_owned(), self.kernel, self.params.clone(), &bindings)?;
        Ok((plan, slots))
    }

    /// Random inputs and the twin's outputs.
    fn prepared(&self, plan: &Plan) -> Result<Prepared> {
        plan.fits_host(PREPARED, |_| false)?;
        let case = Case::new(self.params.clone(), Inputs::Random);
        prepare(self.kernel, &reflection(self.kernel)?, case, 0, 0)
    }
}

fn reflection(kernel: &'static dyn AnyKernel) -> Result<Reflection> {
    let caps = Caps::portable();
    let source = kernel.variants(&caps).first().map(Variant::source).unwrap_or_default();
    Reflection::of(kernel.name(), &source)
}

/// Words per binding.
fn words(kernel: &dyn AnyKernel, reflection: &Reflection, params: &[u8]) -> Result<Vec<usize>> {
    let (fields, _) = kernel.fields();
    let binding = |binding: &crate::shader::Binding| binding.ty(|name| word(&fields, params, name))?.words();
    reflection.bindings.iter().map(binding).collect()
}

/// Times all applicable variants of each job on an adapter, fastest first, and checks their results against the twin.
///
/// # Errors
/// If the device fails, or a shape does not fit on it.
pub async fn sweep_shaders(gpu: &Arc<Gpu>, sweep: Sweep, peaks: Peaks) -> Result<Profile> {
    let mut profile = Profile::new(sweep.device, sweep.title, peaks);
    let mut pipelines = Pipelines::new(Checks::Off);
    for job in &sweep.jobs {
        let (plan, slots) = job.plan()?;
        plan.validate(&gpu.caps)?;
        let prepared = job.prepared(&plan)?;
        let chosen = job.kernel.choose(&job.params, &gpu.caps).name;
        let mut variants = job.kernel.candidates(&job.params, &gpu.caps);
        // With small subgroups, some variants coincide.
        let mut names = BTreeSet::new();
        variants.retain(|variant| names.insert(variant.name.clone()));
        let mut rows = Vec::new();
        for variant in variants {
            let gpu = gpu.preferring(job.kernel.name(), &job.params, &variant.name);
            if let Some((_, error)) = pipelines.prepare_most(&gpu, &plan).await?.into_iter().next() {
                profile.notes.push(format!("{} {variant} skipped: {error}", job.kernel.name()));
                continue;
            }
            let Some(pipeline) = pipelines.get(&variant).cloned() else { continue };
            let outcome = check_all(&gpu, &pipeline, job.kernel, &variant, &[&prepared]).await?.pop();
            let error = match outcome {
                Some(Err(fault)) => {
                    profile.notes.push(format!("{} {variant} gives wrong results: {fault}", job.kernel.name()));
                    continue;
                }
                Some(Ok(worst)) => Some(worst.hard),
                None => None,
            };
            let mut executor = GpuExecutor::with_pipelines(gpu, plan.clone(), pipelines.clone()).await?;
            profile.clock = clock(&mut executor).await?;
            let row = time(&mut executor, &prepared, &slots, &profile.peaks).await?;
            rows.push(DispatchRow { chosen: variant.name == chosen, error, ..row });
        }
        rows.sort_by(|a, b| a.time.median.total_cmp(&b.time.median));
        profile.rows.extend(rows);
    }
    Ok(numbered(profile))
}

/// Times the twin of each job.
///
/// # Errors
/// If the job does not fit in memory.
pub async fn sweep_twins(sweep: Sweep, peaks: Peaks) -> Result<Profile> {
    let mut profile = Profile::new(sweep.device, sweep.title, peaks);
    profile.clock = Clock::Wall { reason: "each twin, on the CPU".to_owned() };
    for job in &sweep.jobs {
        let (plan, slots) = job.plan()?;
        let prepared = job.prepared(&plan)?;
        let mut executor = CpuExecutor::<f32>::new(plan)?;
        let row = time(&mut executor, &prepared, &slots, &profile.peaks).await?;
        profile.rows.push(row);
    }
    Ok(numbered(profile))
}

/// Numbers the rows in order.
fn numbered(mut profile: Profile) -> Profile {
    for (place, row) in profile.rows.iter_mut().enumerate() {
        row.places = vec![place + 1];
    }
    profile
}

/// The clock that times blocks of runs.
async fn clock(executor: &mut GpuExecutor) -> Result<Clock> {
    let timed = executor.run_timed(SECTION, 1, Stamps::Ends).await?;
    Ok(timed
        .spans
        .err()
        .map_or(Clock::Device, |flaw: ClockFlaw| Clock::Wall { reason: format!("{flaw}; submissions of many runs") }))
}

/// Writes the inputs and times the dispatch.
async fn time<S: Subject>(
    subject: &mut S,
    prepared: &Prepared,
    slots: &[SlotId],
    peaks: &Peaks,
) -> Result<DispatchRow> {
    for ((&slot, words), &length) in slots.iter().zip(&prepared.words).zip(&prepared.lengths) {
        match subject.memory().slot(slot).ty.dtype {
            DType::F32 => subject.write_f32(slot, bytemuck::cast_slice(&words[..length]))?,
            DType::U32 | DType::U8 => subject.write_words(slot, &words[..length])?,
        }
    }
    let times: Vec<f64> = blocks(subject, SECTION).await?.into_iter().map(|nanoseconds| nanoseconds / 1e3).collect();
    let plan = subject.plan();
    let dispatch = &plan.section(SECTION)?.dispatches[0];
    let variant = subject.variant(dispatch.kernel, &dispatch.params);
    Ok(DispatchRow {
        variant,
        rounds: times.clone(),
        ..DispatchRow::new(dispatch, plan.bytes(dispatch), &times, peaks)
    })
}
