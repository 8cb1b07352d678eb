//! Self-test of a plan: before it runs, each of its kernels is checked against its twin on the device, with the plan's
//! own parameters. A failing kernel is replaced by the next variant.

use super::{Mismatch, Prepared, compare, prepare, shape};
use crate::error::{Error, Kind, Result};
use crate::gpu::{Gpu, Pipelines, Run};
use crate::kernel::{AnyKernel, Case, Inputs, Variant, word};
use crate::ledger::Ledger;
use crate::plan::{Dispatch, Plan};
use crate::shader::Reflection;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Maximum total words of a test's bindings; the largest arrays are shortened to keep tests fast.
const MOST_WORDS: usize = 1 << 22;
/// Extents are shortened by multiples of this, so they end at the same position in tile, workgroup and vector.
const CUT: u32 = 256;
/// Number of tests prepared at a time, to bound memory use.
const WINDOW: usize = 8;

/// Passed tests, by adapter, driver, build, source and parameters; cached in a file.
#[derive(Debug, Default)]
pub struct Passed {
    keys: BTreeSet<String>,
    ledger: Ledger,
}

impl Passed {
    /// Reads the file; empty if it cannot be read.
    pub fn read(file: PathBuf) -> Self {
        let (ledger, keys) = Ledger::read(file);
        Self { keys: keys.into_iter().collect(), ledger }
    }

    fn add(&mut self, key: &str) {
        self.keys.insert(key.to_owned());
        self.ledger.add(key);
    }

    /// Adds newly passed tests to the file, if there is one.
    ///
    /// # Errors
    /// If it cannot be written: the tests run again next time.
    pub fn write(&mut self) -> Result<()> {
        self.ledger.write()
    }
}

/// A variant that failed and was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The kernel.
    pub kernel: &'static str,
    /// The variant.
    pub variant: String,
    /// Its replacement.
    pub by: String,
    /// The test parameters, the first wrong element, expected and found; or the compile error.
    pub fault: String,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, variant, by, fault } = self;
        write!(f, "{kernel} {variant} fails on this device and is replaced by {by}: {fault}")
    }
}

/// Result of a self-test.
#[derive(Debug)]
pub struct SelfTest {
    /// The device, with failed variants excluded.
    pub gpu: Arc<Gpu>,
    /// Failed variants.
    pub replaced: Vec<Replaced>,
    /// Number of tests run, not counting cached ones.
    pub tests: usize,
}

/// A kernel with the variant and parameters that a plan uses.
struct Test {
    kernel: &'static dyn AnyKernel,
    variant: Variant,
    /// The plan's parameters, and the test's.
    asked: Vec<u8>,
    params: Vec<u8>,
    key: String,
}

/// Tests each kernel of a plan that has not passed before, with the plan's parameters, and compiles it into
/// `pipelines`. A compile error is a failure.
///
/// One case per kernel, with random inputs. If a kernel's arrays exceed 16 MiB in total, the largest are shortened.
///
/// # Errors
/// If the plan is not valid on this device, the device fails, or no variant of a kernel passes.
pub async fn self_test(
    mut gpu: Arc<Gpu>,
    plan: &Plan,
    pipelines: &mut Pipelines,
    passed: &mut Passed,
) -> Result<SelfTest> {
    plan.validate(&gpu.caps)?;
    let (mut replaced, mut tests) = (Vec::<Replaced>::new(), 0);
    loop {
        let wanted = untested(&gpu, plan, passed)?;
        if wanted.is_empty() {
            return Ok(SelfTest { gpu, replaced, tests });
        }
        let refused = pipelines.prepare_most(&gpu, plan).await?;
        tests += wanted.len();
        let refusal = |test: &Test| refused.iter().find(|(source, _)| *source == test.variant.source());
        let (broken, whole): (Vec<_>, _) = wanted.into_iter().partition(|test| refusal(test).is_some());
        let tell = |test: Test| (refusal(&test).map(|(_, error)| error.cause().to_owned()), test);
        let broken: Vec<_> = broken.into_iter().map(tell).collect();
        for (fault, test) in broken.into_iter().chain(run(&gpu, pipelines, whole).await?) {
            match fault {
                None => passed.add(&test.key),
                Some(fault) => replaced.extend(replace(&mut gpu, &test, fault)?),
            }
        }
    }
}

/// Excludes the variant of a failed test from the device; `None` if another test has already done so.
///
/// # Errors
/// If no other variant is available.
fn replace(gpu: &mut Arc<Gpu>, test: &Test, fault: String) -> Result<Option<Replaced>> {
    let (kernel, variant) = (test.kernel.name(), test.variant.name.clone());
    let is_new = gpu.caps.trusts(kernel, &variant);
    if is_new {
        *gpu = gpu.distrusting(kernel, &variant);
    }
    let by = test.kernel.choose(&test.asked, &gpu.caps).name;
    if !gpu.caps.trusts(kernel, &by) {
        return Err(refuse(gpu, kernel, &fault));
    }
    Ok(is_new.then_some(Replaced { kernel, variant, by, fault }))
}

fn refuse(gpu: &Gpu, kernel: &str, fault: &str) -> Error {
    Error::new(
        Kind::Device,
        format!("no variant of {kernel} passes the self-test on {}: {fault}", gpu.info.name),
        "update the driver, choose another adapter (see `shadegrad devices`), or use --device cpu",
    )
}

/// The plan's distinct tests that have not passed before.
fn untested(gpu: &Gpu, plan: &Plan, passed: &Passed) -> Result<Vec<Test>> {
    let (mut tests, mut seen) = (Vec::<Test>::new(), BTreeSet::new());
    for dispatch in plan.sections.iter().flat_map(|section| &section.dispatches) {
        let kernel = dispatch.kernel;
        if !seen.insert((kernel.name(), &dispatch.params)) {
            continue;
        }
        let variant = kernel.choose(&dispatch.params, &gpu.caps);
        let params = cut_down(dispatch, &variant)?;
        let key = key(gpu, kernel, &variant, &params);
        if !passed.keys.contains(&key) && !tests.iter().any(|test| test.key == key) {
            tests.push(Test { kernel, variant, asked: dispatch.params.clone(), params, key });
        }
    }
    Ok(tests)
}

/// Cache key of a test, unique across builds.
fn key(gpu: &Gpu, kernel: &dyn AnyKernel, variant: &Variant, params: &[u8]) -> String {
    let mut hash = Sha256::new();
    let identity = gpu.identity();
    for part in [identity.as_str(), env!("CARGO_PKG_VERSION"), kernel.name(), &variant.name, &variant.source()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(params);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A dispatch's parameters, with the longest dimension of arrays halved until the bindings are small enough to test.
fn cut_down(dispatch: &Dispatch, variant: &Variant) -> Result<Vec<u8>> {
    let (fields, _) = dispatch.kernel.fields();
    let size = |params: &[u8]| words(&dispatch.reflection, |name| word(&fields, params, name));
    let mut params = dispatch.params.clone();
    let mut left = size(&params)?;
    while left > MOST_WORDS {
        let names = dispatch.reflection.bindings.iter().filter_map(|binding| binding.extents.first());
        let mut rows: Vec<_> = names.filter_map(|name| Some((word(&fields, &params, name)?, name))).collect();
        rows.retain(|(rows, _)| *rows >= 2 * CUT);
        rows.sort_unstable();
        rows.dedup();
        // Parameters derived from others cannot be shortened.
        let cut = rows.into_iter().rev().find_map(|(rows, name)| {
            let field = fields.iter().find(|field| field.name == *name)?;
            let fewer = rows / 2 / CUT * CUT + rows % CUT;
            let mut cut = params.clone();
            cut[field.offset..field.offset + 4].copy_from_slice(&fewer.to_le_bytes());
            let cut = dispatch.kernel.consistent(&cut);
            size(&cut).ok().filter(|size| *size < left).map(|size| (cut, size))
        });
        let Some(smaller) = cut else { break };
        (params, left) = smaller;
    }
    Ok(if dispatch.kernel.accepts(&params, variant) { params } else { dispatch.params.clone() })
}

/// Total words of all bindings.
fn words(reflection: &Reflection, value: impl Fn(&str) -> Option<u32>) -> Result<usize> {
    let words = reflection.bindings.iter().map(|binding| binding.ty(&value)?.words());
    words.sum()
}

/// Runs each test once, and returns its error, if any.
async fn run(gpu: &Arc<Gpu>, pipelines: &Pipelines, tests: Vec<Test>) -> Result<Vec<(Option<String>, Test)>> {
    let mut outcomes = Vec::new();
    for window in tests.chunks(WINDOW) {
        let prepared: Vec<Prepared> = window.par_iter().map(|test| ready(pipelines, test)).collect::<Result<_>>()?;
        let mut after = Vec::new();
        for (test, prepared) in window.iter().zip(&prepared) {
            let groups = test.kernel.groups(&test.params, &test.variant);
            let run = Run { params: &test.params, groups, arrays: &prepared.words };
            after.push(pipelines.get(&test.variant).ok_or_else(|| missing(test))?.run(gpu, run).await?);
        }
        let compared = window.par_iter().zip(&prepared).zip(&after).map(|((test, prepared), after)| {
            let pipeline = pipelines.get(&test.variant).ok_or_else(|| missing(test))?;
            let tell = |fault: Mismatch| format!("{}: {fault}", shape(test.kernel, &test.params));
            Ok(compare(&pipeline.reflection, prepared, after).err().map(tell))
        });
        outcomes.extend(compared.collect::<Result<Vec<_>>>()?);
    }
    Ok(outcomes.into_iter().zip(tests).collect())
}

fn ready(pipelines: &Pipelines, test: &Test) -> Result<Prepared> {
    let pipeline = pipelines.get(&test.variant).ok_or_else(|| missing(test))?;
    prepare(test.kernel, &pipeline.reflection, Case::new(test.params.clone(), Inputs::Random), 1, 0)
}

fn missing(test: &Test) -> Error {
    let cause = format!("{} {} was not compiled", test.kernel.name(), test.variant);
    Error::new(Kind::Device, cause, "this is a bug in shadegrad: please report it")
}
