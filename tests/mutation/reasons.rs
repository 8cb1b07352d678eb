//! Why mutants survive: `reasons.toml`, where every survivor that is understood has its reason.

use super::mutant::Mutant;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Why mutants of a line survive.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    /// No test could find them, for no result differs; the others a test could find, but none does.
    pub(crate) equivalent: bool,
    file: String,
    line: String,
    becomes: Vec<String>,
    kernels: Option<Vec<String>>,
    /// For people.
    pub(crate) text: String,
}

impl Reason {
    /// Whether this is about that mutant, in that kernel.
    pub(crate) fn is_about(&self, kernel: &str, mutant: &Mutant) -> bool {
        let here = self.kernels.as_ref().is_none_or(|kernels| kernels.iter().any(|name| name == kernel));
        here && self.file == mutant.file
            && self.line == mutant.original
            && self.becomes.iter().any(|line| *line == mutant.mutated)
    }

    #[allow(dead_code, reason = "tests/mutator.rs uses it")]
    /// What of this is about none of these mutants in their kernels, and so out of date.
    pub(crate) fn stale(&self, mutants: &[(&str, &Mutant)]) -> Vec<String> {
        let about = |line: &String| {
            let only = Self { becomes: vec![line.clone()], ..self.clone() };
            mutants.iter().any(|(kernel, mutant)| only.is_about(kernel, mutant))
        };
        let stale = self.becomes.iter().filter(|line| !about(line));
        stale.map(|line| format!("{}: `{}` becomes `{line}`", self.file, self.line)).collect()
    }
}

/// All of `reasons.toml`.
pub(crate) fn reasons() -> Vec<Reason> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutation/reasons.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let table = DeTable::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let of_kind = |kind: &'static str| {
        let list = table.get_ref().get(kind).and_then(|list| list.get_ref().as_array());
        list.into_iter().flat_map(|list| list.iter()).map(move |entry| reason(kind, entry.get_ref()))
    };
    of_kind("equivalent").chain(of_kind("unseen")).collect()
}

fn reason(kind: &str, entry: &DeValue<'_>) -> Reason {
    let get = |key: &str| entry.get(key).map(|value| value.get_ref());
    let string = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    let list = |key: &str| {
        let list = get(key)?.as_array().unwrap_or_else(|| panic!("reasons.toml: `{key}` is no list"));
        Some(list.iter().map(|line| string(line.get_ref()).expect("a list of strings")).collect())
    };
    let text = |key: &str| {
        get(key).and_then(string).unwrap_or_else(|| panic!("reasons.toml: no `{key}` in an entry of [[{kind}]]"))
    };
    Reason {
        equivalent: kind == "equivalent",
        file: text("file"),
        line: text("line"),
        becomes: list("becomes").unwrap_or_else(|| panic!("reasons.toml: an entry of [[{kind}]] becomes nothing")),
        kernels: list("kernels"),
        text: text("reason"),
    }
}
