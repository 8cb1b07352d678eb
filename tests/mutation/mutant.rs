//! Mutants: a shader file with one small fault.

use super::rules::RULES;
use super::source::{Place, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// A single edit of a text.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// The range to replace.
    pub(crate) range: Range<usize>,
    /// The replacement.
    pub(crate) by: String,
    /// Appended to the whole text: helpers that the replacement calls.
    pub(crate) helper: String,
}

/// A shader file with a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// Path below `shaders`.
    pub(crate) file: String,
    /// Line of the fault, from 1.
    pub(crate) line: usize,
    /// Kind of fault.
    pub(crate) rule: String,
    /// Number among faults of this kind on this line, from 1.
    pub(crate) occurrence: usize,
    /// The line without and with the fault.
    pub(crate) original: String,
    pub(crate) mutated: String,
    /// The whole file with the fault.
    pub(crate) text: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {} {}", self.file, self.line, self.rule, self.occurrence)
    }
}

/// All mutants of a file, in a fixed order. Rules that produce the same text give one mutant.
pub(crate) fn mutants(file: &str, text: &str) -> Vec<Mutant> {
    let source = Source::new(text);
    let (mut seen, mut count) = (BTreeSet::from([text.to_owned()]), BTreeMap::new());
    let mut found = Vec::new();
    for i in (0..source.tokens.len()).filter(|&i| source.tokens[i].place != Place::Declaration) {
        for (rule, edits) in RULES {
            for edit in edits(&source, i) {
                let mutant = mutant(file, text, rule, &edit);
                if seen.insert(mutant.text.clone()) {
                    let occurrence = count.entry((mutant.line, *rule)).or_insert(0);
                    *occurrence += 1;
                    found.push(Mutant { occurrence: *occurrence, ..mutant });
                }
            }
        }
    }
    found
}

fn mutant(file: &str, text: &str, rule: &str, edit: &Edit) -> Mutant {
    let (before, after) = (&text[..edit.range.start], &text[edit.range.end..]);
    let from = before.rfind('\n').map_or(0, |at| at + 1);
    let rest = after.find('\n').unwrap_or(after.len());
    let line = |middle: &str| one_line(&format!("{}{middle}{}", &before[from..], &after[..rest]));
    Mutant {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        rule: rule.to_owned(),
        occurrence: 0,
        original: line(&text[edit.range.clone()]),
        mutated: line(&edit.by),
        text: format!("{before}{}{after}{}", edit.by, edit.helper),
    }
}

fn one_line(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let text: Vec<String> = text.lines().map(code).collect();
    text.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}
