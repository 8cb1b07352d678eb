//! Variant choices: found by timing, cached for later runs, and recorded so that another run can reproduce them.

use crate::error::{Error, Kind, Result};
use crate::gpu::Gpu;
use crate::graph::{Form, OpKey, OpenOp};
use crate::kernel::AnyKernel;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::verify::shape;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variant chosen for a kernel and parameters. Variants of a product sum in different orders, so bit-identical
/// results require the same choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The kernel.
    pub kernel: String,
    /// Its parameters, formatted as `m=128 k=784 n=1024`.
    pub shape: String,
    /// The variant.
    pub variant: String,
}

impl Choice {
    /// The choice as a JSON object.
    pub fn json(&self) -> Value {
        json!({ "kernel": self.kernel, "shape": self.shape, "variant": self.variant })
    }

    /// Parses an object written by [`Self::json`]; extra keys are ignored.
    fn of(value: &Value) -> Option<Self> {
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        Some(Self { kernel: text("kernel")?, shape: text("shape")?, variant: text("variant")? })
    }

    /// Writes choices to a file, one per line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_all(choices: &[Self], path: &Path) -> Result<()> {
        let lines: String = choices.iter().map(|choice| format!("{}\n", choice.json())).collect();
        std::fs::write(path, lines).map_err(|error| Error::io("write", path, &error))
    }

    /// Reads choices from a file, one per line.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is not a choice.
    pub fn read_all(path: &Path) -> Result<Vec<Self>> {
        let advice = "use a kernels.jsonl written by `train --out`";
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(Kind::Usage, format!("cannot read {}: {error}", path.display()), advice))?;
        let choice = |(i, line): (usize, &str)| {
            let value = serde_json::from_str(line).ok();
            value.as_ref().and_then(Self::of).ok_or_else(|| {
                let cause = format!("{}:{}: expected kernel, shape and variant", path.display(), i + 1);
                Error::new(Kind::Usage, cause, advice)
            })
        };
        text.lines().enumerate().map(choice).collect()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kernel, self.shape, self.variant)
    }
}

/// The variants a plan uses on a device, for kernels with more than one.
pub fn in_use(gpu: &Gpu, plan: &Plan) -> Vec<Choice> {
    let choice = |(kernel, params): (&'static dyn AnyKernel, &[u8])| Choice {
        kernel: kernel.name().to_owned(),
        shape: shape(kernel, params),
        variant: kernel.choose(params, &gpu.caps).name,
    };
    of_choice(gpu, plan).into_iter().map(choice).collect()
}

/// The device with exactly these choices.
///
/// # Errors
/// If the plan does not need a choice, or the device lacks the variant.
pub fn replay(gpu: &Arc<Gpu>, plan: &Plan, choices: &[Choice]) -> Result<Arc<Gpu>> {
    let (mut gpu, open) = (gpu.clone(), of_choice(gpu, plan));
    for choice in choices {
        let refuse = |what: &str, advice: &str| Err(Error::new(Kind::Usage, format!("{choice}: {what}"), advice));
        let about = |(kernel, params): &&(&'static dyn AnyKernel, &[u8])| {
            kernel.name() == choice.kernel && shape(*kernel, params) == choice.shape
        };
        let Some((kernel, params)) = open.iter().find(about) else {
            return refuse(
                "this run has no such kernel and shape",
                "use the flags of the run that recorded the choices",
            );
        };
        if !kernel.candidates(params, &gpu.caps).iter().any(|variant| variant.name == choice.variant) {
            return refuse("the adapter has no such variant", "use the adapter and version that recorded the choices");
        }
        gpu = gpu.preferring(kernel.name(), params, &choice.variant);
    }
    Ok(gpu)
}

/// Kernels of a plan, with parameters, that have more than one variant, most expensive first.
pub(super) fn of_choice<'a>(gpu: &Gpu, plan: &'a Plan) -> Vec<(&'static dyn AnyKernel, &'a [u8])> {
    let mut seen = BTreeSet::new();
    let dispatches = plan.sections.iter().flat_map(|section| &section.dispatches);
    let distinct = dispatches.filter(|dispatch| seen.insert((dispatch.kernel.name(), &dispatch.params)));
    let all = distinct.map(|dispatch| (dispatch.kernel, dispatch.params.as_slice()));
    let mut open: Vec<_> = all.filter(|(kernel, params)| kernel.candidates(params, &gpu.caps).len() > 1).collect();
    open.sort_by_key(|(kernel, params)| std::cmp::Reverse(kernel.flops(params)));
    open
}

/// Timing results by adapter, driver, version, sources and parameters; cached in a file.
#[derive(Debug, Default)]
pub struct KnownVariants {
    variants: BTreeMap<String, String>,
    ledger: Ledger,
}

impl KnownVariants {
    /// Reads the file: invalid lines are ignored, and the last of several entries wins.
    pub fn read(file: PathBuf) -> Self {
        let (ledger, lines) = Ledger::read(file);
        let entry = |line: &String| {
            let value: Value = serde_json::from_str(line).ok()?;
            Some((value.get("key")?.as_str()?.to_owned(), Choice::of(&value)?.variant))
        };
        Self { variants: lines.iter().filter_map(entry).collect(), ledger }
    }

    /// Path of the file.
    pub fn file(&self) -> Option<&Path> {
        self.ledger.file()
    }

    /// Number of entries, for all adapters.
    pub fn len(&self) -> usize {
        self.variants.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// The fastest known variant of a kernel for these parameters on a device.
    pub fn get(&self, gpu: &Gpu, kernel: &dyn AnyKernel, params: &[u8]) -> Option<&str> {
        self.variants.get(&key(gpu, kernel, params)).map(String::as_str)
    }

    pub(super) fn add(&mut self, gpu: &Gpu, kernel: &dyn AnyKernel, params: &[u8], variant: &str) {
        let shape = shape(kernel, params);
        let choice = Choice { kernel: kernel.name().to_owned(), shape, variant: variant.to_owned() };
        self.insert(gpu, key(gpu, kernel, params), choice);
    }

    /// The fastest known form of an op on a device. `plans` compute the op in each form.
    pub(super) fn form(&self, gpu: &Gpu, op: &OpenOp, plans: &[(Form, Plan)]) -> Option<Form> {
        let known = self.variants.get(&form_key(gpu, op, plans))?;
        op.forms.iter().find(|form| form.to_string() == *known).copied()
    }

    pub(super) fn add_form(&mut self, gpu: &Gpu, op: &OpenOp, plans: &[(Form, Plan)], form: Form) {
        let key = op.key();
        let choice = Choice { shape: key.shapes(), variant: form.to_string(), kernel: key.op };
        self.insert(gpu, form_key(gpu, op, plans), choice);
    }

    fn insert(&mut self, gpu: &Gpu, key: String, choice: Choice) {
        let mut line = choice.json();
        line["key"] = json!(key);
        line["device"] = json!(gpu.identity());
        self.ledger.add(&line.to_string());
        self.variants.insert(key, choice.variant);
    }

    /// Appends new entries to the file, if there is one.
    ///
    /// # Errors
    /// If it cannot be written: the kernels are timed again next time.
    pub fn write(&mut self) -> Result<()> {
        self.ledger.write()
    }
}

/// Cache key of a choice, unique across candidate sets and builds.
fn key(gpu: &Gpu, kernel: &dyn AnyKernel, params: &[u8]) -> String {
    let mut parts = vec![gpu.identity().into_bytes(), env!("CARGO_PKG_VERSION").into()];
    parts.extend(parts_of(gpu, kernel, params));
    hash(&parts)
}

/// [`key`] for an op and its forms.
fn form_key(gpu: &Gpu, op: &OpenOp, plans: &[(Form, Plan)]) -> String {
    let OpKey { op, .. } = &op.key();
    let mut parts = vec![gpu.identity().into_bytes(), env!("CARGO_PKG_VERSION").into(), op.clone().into_bytes()];
    for (form, plan) in plans {
        parts.push(form.to_string().into_bytes());
        let dispatches = plan.sections.iter().flat_map(|section| &section.dispatches);
        parts.extend(dispatches.flat_map(|dispatch| parts_of(gpu, dispatch.kernel, &dispatch.params)));
    }
    hash(&parts)
}

/// A kernel, its parameters, and its candidates with their sources.
fn parts_of(gpu: &Gpu, kernel: &dyn AnyKernel, params: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![kernel.name().into(), params.to_vec()];
    for candidate in kernel.candidates(params, &gpu.caps) {
        parts.extend([candidate.name.clone().into_bytes(), candidate.source().into_bytes()]);
    }
    parts
}

fn hash(parts: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
