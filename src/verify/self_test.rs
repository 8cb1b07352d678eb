//! The self-test of a plan: each kernel that it uses is held to its twin on the device, at the plan's own parameters,
//! before the plan runs. What computes wrongly is replaced by the next variant.

use super::{Fault, Prepared, compare, prepare, shape};
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

/// Words of a test's bindings, above which its largest arrays are made shorter: tests have to be quick.
const MOST_WORDS: usize = 1 << 22;
/// What is cut off an extent is a multiple of this, so that it ends in the tile, workgroup and vector as before.
const CUT: u32 = 256;
/// Tests that are prepared at a time, which bounds the memory that they take.
const WINDOW: usize = 8;

/// The tests that have passed, by adapter, driver, build, source and parameters; kept in a file from run to run.
#[derive(Debug, Default)]
pub struct Passed {
    keys: BTreeSet<String>,
    ledger: Ledger,
}

impl Passed {
    /// What the file tells; nothing where it cannot be read.
    pub fn read(file: PathBuf) -> Self {
        let (ledger, keys) = Ledger::read(file);
        Self { keys: keys.into_iter().collect(), ledger }
    }

    fn add(&mut self, key: &str) {
        self.keys.insert(key.to_owned());
        self.ledger.add(key);
    }

    /// Adds what has passed since to the file, where there is one.
    ///
    /// # Errors
    /// Where it cannot be written: the tests are then done again the next time.
    pub fn write(&mut self) -> Result<()> {
        self.ledger.write()
    }
}

/// A variant that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The kernel.
    pub kernel: &'static str,
    /// The variant.
    pub variant: String,
    /// The variant that takes its place.
    pub by: String,
    /// The parameters it was tested with, the first wrong element, what was expected and found; or why it does not
    /// compile.
    pub fault: String,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, variant, by, fault } = self;
        write!(f, "{kernel} {variant} fails here and is replaced by {by}: {fault}")
    }
}

/// How a self-test went.
#[derive(Debug)]
pub struct SelfTest {
    /// The device, which no longer trusts what failed.
    pub gpu: Arc<Gpu>,
    /// What failed.
    pub replaced: Vec<Replaced>,
    /// How many tests were run; those that had passed before were not.
    pub tests: usize,
}

/// A kernel in the variant and with the parameters that a plan has it run with.
struct Test {
    kernel: &'static dyn AnyKernel,
    variant: Variant,
    /// The plan's parameters, and those to test with.
    asked: Vec<u8>,
    params: Vec<u8>,
    key: String,
}

/// Tests each kernel of a plan that has not passed yet, at the plan's parameters, and compiles it into `pipelines`. What
/// does not compile has failed.
///
/// One case each, with random inputs. Where the arrays of a kernel are together larger than 16 MiB, the largest are made
/// shorter.
///
/// # Errors
/// Where the plan is not valid on this device, the device fails, or no variant of a kernel passes.
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

/// Lets the device distrust the variant of a test that failed; nothing is new where another test has failed before.
///
/// # Errors
/// Where there is no other variant for what is asked of the kernel.
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
        format!("no variant of {kernel} passes its test on {}: {fault}", gpu.info.name),
        "update the driver, choose another adapter (see `shadegrad devices`), or use --device cpu",
    )
}

/// The tests of a plan that have not passed yet, each once.
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

/// What tells this test from all others, in every build.
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

/// The parameters of a dispatch, with the longest rows of arrays halved until its bindings are small enough to test.
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
        // What follows from other parameters cannot be cut itself.
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

/// Words of all bindings together.
fn words(reflection: &Reflection, value: impl Fn(&str) -> Option<u32>) -> Result<usize> {
    let words = reflection.bindings.iter().map(|binding| binding.ty(&value)?.words());
    words.sum()
}

/// Runs each test once, and tells what was wrong with it.
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
            let tell = |fault: Fault| format!("{}: {fault}", shape(test.kernel, &test.params));
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
    Error::new(Kind::Device, cause, "this is a fault of shadegrad: please report it")
}
