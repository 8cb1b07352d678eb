//! A process that tests mutants one after the other: a faulty shader may hang or crash the driver and the process with
//! it.
//!
//! It reads `KERNEL INDEX` lines from stdin, and answers `verdict DETAIL`. In between it reports what it is doing, to
//! distinguish a hanging shader from a slow compilation.

use super::kernels::{kernels_and_mutants, mutated, shader_files, variants};
use super::module::module;
use super::mutant::Mutant;
use super::verdict::Verdict;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, Gpu, Pipeline};
use shadegrad::kernel::{AnyKernel, Case, Effort, Inputs, Variant};
use shadegrad::ops::{IGNORE_INDEX, counter};
use shadegrad::shader::Reflection;
use shadegrad::verify::{Prepared, check_all, prepare, prepare_altered};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cases of every variant that run before the rest: enough for most faults.
const FIRST_CASES: usize = 8;
/// Cases per submission.
const WINDOW: usize = 32;

/// Tests mutants until stdin ends.
pub(crate) fn work(gpu: &Arc<Gpu>) {
    std::panic::set_hook(Box::new(|_| ())); // a panic is a verdict
    let kernels = kernels_and_mutants(&gpu.caps);
    let files = shader_files();
    let mut bench: Option<Bench> = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (name, index) = line.split_once(' ').expect("a kernel and a number");
        let (kernel, mutants) = kernels.iter().find(|(kernel, _)| kernel.name() == name).expect("a kernel's name");
        if bench.as_ref().is_none_or(|bench| bench.kernel.name() != name) {
            bench = Some(Bench::new(gpu, *kernel));
        }
        let bench = bench.as_mut().expect("just made");
        let verdict = match index.parse::<usize>() {
            Ok(index) => bench.judge(&files[&mutants[index].file], &mutants[index]),
            Err(_) => bench.judge_original(),
        };
        say(&format!("verdict {verdict}"));
    }
}

/// Sends a line to the parent process.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{what}").and_then(|()| out.flush()); // if the parent is gone, stdin ends too
}

/// A kernel under test: its cases, the most revealing first.
struct Bench<'a> {
    gpu: &'a Arc<Gpu>,
    kernel: &'static dyn AnyKernel,
    reflection: Reflection,
    variants: Vec<Variant>,
    modules: BTreeMap<String, Option<String>>,
    /// Last compile time per variant: the fastest are tried first.
    compiling: BTreeMap<String, Duration>,
    trials: Vec<Trial>,
}

/// A case as in tests/kernels.rs, prepared once for the kernel's own bindings.
struct Trial {
    index: usize,
    case: Case<Vec<u8>>,
    /// All rows of the batch are invalid.
    empty: bool,
    prepared: Option<Arc<Prepared>>,
}

impl Trial {
    fn prepare(&self, kernel: &dyn AnyKernel, reflection: &Reflection) -> Result<Prepared> {
        if !self.empty {
            return prepare(kernel, reflection, self.case.clone(), Effort::QUICK.seed(), self.index);
        }
        let empty = |binding: &str, words: &mut [u32]| match binding {
            "counters" | "micro_counters" => words[counter::ROWS] = 0,
            "labels" => words.fill(IGNORE_INDEX),
            _ => {}
        };
        prepare_altered(kernel, reflection, self.case.clone(), 3, 0, empty)
    }
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Arc<Gpu>, kernel: &'static dyn AnyKernel) -> Self {
        let variants = variants(kernel, &gpu.caps);
        let reflection = Reflection::of(kernel.name(), &variants[0].source()).expect("the shader is valid");
        let modules = variants.iter().map(|variant| (variant.name.clone(), module(&variant.source()))).collect();
        let trial = |(index, case)| Trial { index, case, empty: false, prepared: None };
        let mut trials: Vec<Trial> = kernel.cases(Effort::QUICK).into_iter().enumerate().map(trial).collect();
        if reflection.binding("counters").is_some() {
            let case = trials.iter().rev().map(|trial| &trial.case).find(|case| case.inputs == Inputs::Random);
            let case = case.expect("one has random inputs").clone();
            trials.push(Trial { index: 0, case, empty: true, prepared: None });
        }
        Self { gpu, kernel, reflection, variants, modules, compiling: BTreeMap::new(), trials }
    }

    /// Whether the tests pass without a fault.
    fn judge_original(&mut self) -> Verdict {
        let originals = self.variants.iter().map(|variant| (variant.name.clone(), variant.clone())).collect();
        self.try_all(&originals)
    }

    /// Whether the tests detect this mutant.
    fn judge(&mut self, original: &str, mutant: &Mutant) -> Verdict {
        let mut live = BTreeMap::new();
        for (variant, mutated) in mutated(&self.variants, original, mutant) {
            let Some(module) = module(&mutated.source()) else { return Verdict::Refused };
            if self.modules[&variant.name].as_ref() != Some(&module) {
                live.insert(variant.name.clone(), mutated);
            }
        }
        if live.is_empty() {
            return Verdict::Elsewhere;
        }
        // Only the architecture tests would fail.
        let beyond_limits = |variant: &Variant| match Reflection::of(self.kernel.name(), &variant.source()) {
            Ok(reflection) => {
                reflection.workgroup_size.iter().product::<u32>() > 256 || reflection.workgroup_memory > 16 << 10
            }
            Err(_) => true,
        };
        if live.values().any(beyond_limits) {
            return Verdict::Killed("limits".into());
        }
        self.try_all(&live)
    }

    /// Runs the cases of each variant: first the first ones of all, then the others.
    fn try_all(&mut self, live: &BTreeMap<String, Variant>) -> Verdict {
        let mut names: Vec<(Duration, &String)> =
            live.keys().map(|name| (self.compiling.get(name).copied().unwrap_or_default(), name)).collect();
        names.sort();
        let mut pipelines = Vec::new();
        for (_, name) in names {
            let start = Instant::now();
            say("compiling");
            let compiled = pollster::block_on(Pipeline::new(self.gpu, self.kernel, &live[name], Checks::On));
            let Ok(pipeline) = compiled else { return Verdict::Refused };
            let first: Vec<usize> = self.accepted(&live[name]).into_iter().take(FIRST_CASES).collect();
            let found = self.try_window(&pipeline, &live[name], &first);
            self.compiling.insert(name.clone(), start.elapsed()); // drivers compile at the first run
            if let Some(how) = found {
                return Verdict::Killed(how);
            }
            pipelines.push((pipeline, &live[name]));
        }
        for (pipeline, variant) in &pipelines {
            let others: Vec<usize> = self.accepted(variant).into_iter().skip(FIRST_CASES).collect();
            for window in others.chunks(WINDOW) {
                if let Some(how) = self.try_window(pipeline, variant, window) {
                    return Verdict::Killed(how);
                }
            }
        }
        Verdict::Survived
    }

    /// The indices of the trials that a variant accepts.
    fn accepted(&self, variant: &Variant) -> Vec<usize> {
        let accepts = |&at: &usize| self.kernel.accepts(&self.trials[at].case.params, variant);
        (0..self.trials.len()).filter(accepts).collect()
    }

    /// The report of the first of these trials that detects the mutant; it is then moved to the front.
    fn try_window(&mut self, pipeline: &Pipeline, variant: &Variant, places: &[usize]) -> Option<String> {
        say("running");
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let prepared = self.prepared(pipeline, places);
            let cases: Vec<&Prepared> = prepared.iter().map(Arc::as_ref).collect();
            pollster::block_on(check_all(self.gpu, pipeline, self.kernel, variant, &cases))
        }));
        let Ok(tried) = tried else { return Some("bindings".into()) };
        let Ok(outcomes) = tried else { return Some(Verdict::DEVICE.into()) };
        let (at, how) = outcomes.iter().zip(places).find_map(|(outcome, at)| match outcome {
            Ok(worst) if worst.soft <= 1.0 => None,
            Ok(_) => Some((*at, "expected error")),
            Err(_) => Some((*at, "values")),
        })?;
        let telling = self.trials.remove(at);
        self.trials.insert(0, telling);
        Some(how.into())
    }

    /// These trials, prepared for a pipeline's bindings, which a fault may have changed.
    fn prepared(&mut self, pipeline: &Pipeline, places: &[usize]) -> Vec<Arc<Prepared>> {
        let (kernel, own, theirs) = (self.kernel, &self.reflection, &pipeline.reflection);
        let same = format!("{:?}", own.bindings) == format!("{:?}", theirs.bindings);
        let prepare = |trial: &Trial| Arc::new(trial.prepare(kernel, theirs).expect("shapes are known"));
        let mut prepared = Vec::new();
        for &at in places {
            let trial = &mut self.trials[at];
            let known = trial.prepared.clone().filter(|_| same).unwrap_or_else(|| prepare(trial));
            if same {
                trial.prepared = Some(known.clone());
            }
            prepared.push(known);
        }
        prepared
    }
}
