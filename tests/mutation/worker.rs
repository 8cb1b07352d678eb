//! A process that judges mutants, one after the other: a fault in a shader may hang or crash the driver, and with it the
//! process.
//!
//! It reads `KERNEL INDEX` from its input, one a line, and answers `verdict DETAIL`. In between it says what it is about,
//! so that whoever waits can tell a shader that hangs from one that takes long to compile.

use super::kernels::{kernels_and_mutants, mutated, shader_files};
use super::module::module;
use super::mutant::Mutant;
use super::verdict::Verdict;
use shadegrad::gpu::{Checks, Gpu, Pipeline};
use shadegrad::kernel::{AnyKernel, Effort, Inputs, Variant};
use shadegrad::ops::{NO_LABEL, counter};
use shadegrad::shader::Reflection;
use shadegrad::verify::{Prepared, check, prepare, prepare_altered};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Cases of every form that come before the rest: enough for most faults.
const FIRST_CASES: usize = 10;

/// Judges mutants until the input ends.
pub(crate) fn work(gpu: &Arc<Gpu>) {
    std::panic::set_hook(Box::new(|_| ())); // a panic is a verdict
    let kernels = kernels_and_mutants(&gpu.caps);
    let files = shader_files();
    let mut bench: Option<Bench> = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (name, index) = line.split_once(' ').expect("a kernel and a number");
        let (kernel, mutants) = kernels.iter().find(|(kernel, _)| kernel.name() == name).expect("a kernel's name");
        let mutant = &mutants[index.parse::<usize>().expect("a number")];
        if bench.as_ref().is_none_or(|bench| bench.kernel.name() != name) {
            bench = Some(Bench::new(gpu, *kernel));
        }
        let bench = bench.as_mut().expect("just made");
        let verdict = bench.judge(&files[&mutant.file], mutant);
        say(&format!("verdict {verdict}"));
    }
}

/// Tells whoever started this process.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{what}").and_then(|()| out.flush()); // with nobody there to read, the input ends too
}

/// A kernel on the bench: its cases, those that tell most first.
struct Bench<'a> {
    gpu: &'a Arc<Gpu>,
    kernel: &'static dyn AnyKernel,
    reflection: Reflection,
    variants: Vec<Variant>,
    /// How long variants last took to compile: the quickest are tried first.
    compiling: BTreeMap<String, Duration>,
    /// Of the kernel's own cases.
    params: Vec<Vec<u8>>,
    modules: BTreeMap<String, Option<String>>,
    cases: Vec<Trial>,
}

/// A case, prepared once for the kernel's own bindings.
struct Trial {
    index: usize,
    prepared: Option<Arc<Prepared>>,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Arc<Gpu>, kernel: &'static dyn AnyKernel) -> Self {
        let variants = kernel.variants(&gpu.caps);
        let reflection = Reflection::of(kernel.name(), &variants[0].source()).expect("the shader is valid");
        let modules = variants.iter().map(|variant| (variant.name.clone(), module(&variant.source()))).collect();
        let rows = usize::from(reflection.binding("counters").is_some());
        let params: Vec<_> = kernel.cases(Effort::Quick).into_iter().map(|case| case.params).collect();
        let cases = (0..params.len() + rows).map(|index| Trial { index, prepared: None }).collect();
        Self { gpu, kernel, reflection, variants, compiling: BTreeMap::new(), params, modules, cases }
    }

    /// Whether the tests find this mutant.
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
        // No one but the tests of the architecture would object.
        let beyond_limits = |variant: &Variant| match Reflection::of(self.kernel.name(), &variant.source()) {
            Ok(reflection) => {
                reflection.workgroup_size.iter().product::<u32>() > 256 || reflection.workgroup_memory > 16 << 10
            }
            Err(_) => true,
        };
        if live.values().any(beyond_limits) {
            return Verdict::Killed("limits".into());
        }
        let mut names: Vec<(Duration, String)> =
            live.keys().map(|name| (self.compiling.get(name).copied().unwrap_or_default(), name.clone())).collect();
        names.sort();
        let mut pipelines = Vec::new();
        for (_, name) in names {
            let start = Instant::now();
            say("compiling");
            let compiled = pollster::block_on(Pipeline::new(self.gpu, self.kernel, &live[&name], Checks::On));
            let Ok(pipeline) = compiled else { return Verdict::Refused };
            let found = self.try_cases(&pipeline, &live[&name], true);
            self.compiling.insert(name.clone(), start.elapsed()); // which drivers put off until the first run
            if let Some(how) = found {
                return Verdict::Killed(how);
            }
            pipelines.push((name, pipeline));
        }
        for (name, pipeline) in &pipelines {
            if let Some(how) = self.try_cases(pipeline, &live[name], false) {
                return Verdict::Killed(how);
            }
        }
        Verdict::Survived
    }

    /// What the first of the cases that finds the mutant says, where one does.
    fn try_cases(&mut self, pipeline: &Pipeline, variant: &Variant, only_first: bool) -> Option<String> {
        let same = format!("{:?}", pipeline.reflection.bindings) == format!("{:?}", self.reflection.bindings);
        let accepted = |bench: &Self, at: usize| bench.accepts(bench.cases[at].index, variant);
        let places: Vec<usize> = (0..self.cases.len()).filter(|&at| accepted(self, at)).collect();
        let count = if only_first { FIRST_CASES } else { places.len() };
        for at in places.into_iter().take(count) {
            say("running");
            let tried = catch_unwind(AssertUnwindSafe(|| {
                let prepared = if same { self.prepared(at) } else { self.prepare(&pipeline.reflection, at) };
                pollster::block_on(check(self.gpu, pipeline, self.kernel, variant, &prepared))
            }));
            let how = match tried {
                Ok(Ok(worst)) if worst.soft <= 1.0 => continue,
                Ok(Ok(_)) => "soft gate",
                Ok(Err(_)) => "values",
                Err(_) => "bindings",
            };
            let telling = self.cases.remove(at);
            self.cases.insert(0, telling);
            return Some(how.into());
        }
        None
    }

    fn accepts(&self, index: usize, variant: &Variant) -> bool {
        self.params.get(index).is_none_or(|params| self.kernel.accepts(params, variant))
    }

    fn prepared(&mut self, at: usize) -> Arc<Prepared> {
        if self.cases[at].prepared.is_none() {
            self.cases[at].prepared = Some(self.prepare(&self.reflection, at));
        }
        self.cases[at].prepared.clone().expect("just prepared")
    }

    /// The case with the seed that tests/kernels.rs gives it. Behind the last is the one without a row in use.
    fn prepare(&self, reflection: &Reflection, at: usize) -> Arc<Prepared> {
        let mut cases = self.kernel.cases(Effort::Quick);
        let index = self.cases[at].index;
        let prepared = if index < cases.len() {
            prepare(self.kernel, reflection, cases.swap_remove(index), index as u64)
        } else {
            let case = cases.into_iter().rev().find(|case| case.inputs == Inputs::Random).expect("one is random");
            let empty = |binding: &str, words: &mut [u32]| match binding {
                "counters" | "micro_counters" => words[counter::ROWS] = 0,
                "labels" => words.fill(NO_LABEL),
                _ => {}
            };
            prepare_altered(self.kernel, reflection, case, 3, empty)
        };
        Arc::new(prepared.expect("shapes are known"))
    }
}
