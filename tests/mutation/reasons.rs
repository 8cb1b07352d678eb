//! Why mutants survive: `reasons.toml` explains every known survivor.

use super::mutant::Mutant;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Why mutants of a line survive.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    /// Equivalent: no test could kill them, since no result differs. Others could be killed, but are not.
    pub(crate) equivalent: bool,
    file: String,
    line: String,
    becomes: Vec<String>,
    kernels: Option<Vec<String>>,
    /// An explanation.
    pub(crate) text: String,
}

impl Reason {
    /// Whether this applies to that mutant in that kernel.
    pub(crate) fn is_about(&self, kernel: &str, mutant: &Mutant) -> bool {
        let here = self.kernels.as_ref().is_none_or(|kernels| kernels.iter().any(|name| name == kernel));
        here && self.file == mutant.file && self.line == mutant.original && self.becomes.contains(&mutant.mutated)
    }

    #[allow(dead_code, reason = "tests/mutator.rs uses it")]
    /// Parts that apply to none of these mutants, and are stale.
    pub(crate) fn stale(&self, mutants: &[(&str, &Mutant)]) -> Vec<String> {
        let about = |line: &String| {
            let only = Self { becomes: vec![line.clone()], ..self.clone() };
            mutants.iter().any(|(kernel, mutant)| only.is_about(kernel, mutant))
        };
        let stale = self.becomes.iter().filter(|line| !about(line));
        stale.map(|line| format!("{}: `{}` becomes `{line}`", self.file, self.line)).collect()
    }
}

/// Why mutants of host code survive.
#[derive(Clone, Debug)]
pub(crate) struct HostReason {
    /// See [`Reason::equivalent`].
    pub(crate) equivalent: bool,
    file: String,
    /// As worded by cargo-mutants.
    change: String,
    /// An explanation.
    pub(crate) text: String,
}

impl HostReason {
    /// Whether this applies to the mutant that cargo-mutants names `FILE:LINE:COLUMN: CHANGE`.
    pub(crate) fn is_about(&self, mutant: &str) -> bool {
        mutant.starts_with(&format!("{}:", self.file)) && mutant.contains(&self.change)
    }
}

/// Parses `reasons.toml` with `read`.
fn with_table<T>(read: impl FnOnce(&DeTable<'_>) -> T) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutation/reasons.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let table = DeTable::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    read(table.get_ref())
}

/// The entries of a list of tables.
fn entries<'a>(table: &'a DeTable<'a>, kind: &str) -> impl Iterator<Item = &'a DeValue<'a>> {
    let list = table.get(kind).and_then(|list| list.get_ref().as_array());
    list.into_iter().flat_map(|list| list.iter()).map(|entry| entry.get_ref())
}

/// All reasons for shaders.
pub(crate) fn reasons() -> Vec<Reason> {
    with_table(|table| {
        let of_kind = |kind| entries(table, kind).map(move |entry| reason(kind, entry));
        of_kind("equivalent").chain(of_kind("unseen")).collect()
    })
}

/// All reasons for host code.
pub(crate) fn host_reasons() -> Vec<HostReason> {
    let read = |entry: &DeValue<'_>| {
        let [file, change, text] = ["file", "change", "reason"].map(|key| string("host", entry, key));
        let equivalent = entry.get("equivalent").and_then(|value| value.get_ref().as_bool()).unwrap_or(false);
        HostReason { equivalent, file, change, text }
    };
    with_table(|table| entries(table, "host").map(read).collect())
}

fn string(kind: &str, entry: &DeValue<'_>, key: &str) -> String {
    let text = entry.get(key).and_then(|value| value.get_ref().as_str());
    text.unwrap_or_else(|| panic!("reasons.toml: no `{key}` in an entry of [[{kind}]]")).to_owned()
}

fn reason(kind: &str, entry: &DeValue<'_>) -> Reason {
    let list = |key: &str| {
        let list = entry.get(key)?.get_ref().as_array().unwrap_or_else(|| panic!("reasons.toml: `{key}` is no list"));
        Some(list.iter().map(|line| line.get_ref().as_str().expect("a list of strings").to_owned()).collect())
    };
    Reason {
        equivalent: kind == "equivalent",
        file: string(kind, entry, "file"),
        line: string(kind, entry, "line"),
        becomes: list("becomes").unwrap_or_else(|| panic!("reasons.toml: an entry of [[{kind}]] becomes nothing")),
        kernels: list("kernels"),
        text: string(kind, entry, "reason"),
    }
}
