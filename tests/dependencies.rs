//! Dependency policy, per `.cargo/deny.toml`: licenses, sources, one version of each crate; and the number of crates in
//! a build of the program.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::process::Command;
use std::str::SplitWhitespace;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Maximum number of crates compiled for the program, by part of the platform's name. Exceeding it should be a
/// decision.
const MOST_CRATES: [(&str, usize); 3] = [("linux", 196), ("apple", 205), ("windows", 214)];

/// The crates of this repository.
const OURS: [&str; 2] = ["shadegrad", "shadegrad-fuzzing"];

fn toml(text: &'static str) -> DeValue<'static> {
    DeValue::Table(DeTable::parse(text).expect("it is TOML").into_inner())
}

fn policy() -> DeValue<'static> {
    toml(include_str!("../.cargo/deny.toml"))
}

/// An array from the policy or the lock file.
#[track_caller]
fn array<'a>(file: &'a DeValue<'static>, path: &[&str]) -> impl Iterator<Item = &'a DeValue<'static>> {
    let found = path.iter().try_fold(file, |table, key| table.get(key).map(Spanned::get_ref));
    let array = found.and_then(DeValue::as_array).unwrap_or_else(|| panic!("no array {path:?}"));
    array.iter().map(Spanned::get_ref)
}

fn text<'a>(table: &'a DeValue<'_>, key: &str) -> Option<&'a str> {
    table.get(key)?.get_ref().as_str()
}

fn words<'a>(file: &'a DeValue<'static>, path: &[&str]) -> Vec<&'a str> {
    array(file, path).map(|value| value.as_str().expect("a word")).collect()
}

fn cargo(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo starts");
    let text = |bytes| String::from_utf8(bytes).expect("cargo writes UTF-8");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The host platform of cargo.
fn host() -> String {
    let about = cargo(&["-vV"]).expect("cargo knows its version");
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("cargo names its host").to_owned()
}

/// Cargo's metadata for one platform, or for all if their sources are on this machine.
fn metadata(platform: Option<&str>) -> Result<Value, String> {
    let mut arguments = vec!["metadata", "--offline", "--locked", "--format-version", "1"];
    arguments.extend(platform.iter().flat_map(|platform| ["--filter-platform", platform]));
    Ok(serde_json::from_str(&cargo(&arguments)?).expect("cargo writes JSON"))
}

#[track_caller]
fn list<'a>(object: &'a Value, key: &str) -> &'a [Value] {
    object[key].as_array().unwrap_or_else(|| panic!("no list `{key}`"))
}

#[track_caller]
fn word<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_else(|| panic!("no text `{key}`"))
}

/// An SPDX license expression, evaluated left to right.
struct Expression<'a> {
    tokens: Peekable<SplitWhitespace<'a>>,
    allowed: &'a BTreeSet<&'a str>,
}

impl Expression<'_> {
    /// Whether some choice the expression offers is allowed.
    fn permits(expression: &str, allowed: &BTreeSet<&str>) -> bool {
        // Old crates write `/` for `OR`.
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut read = Expression { tokens: spaced.split_whitespace().peekable(), allowed };
        let permitted = read.any();
        assert_eq!(read.tokens.next(), None, "not understood: {expression}");
        permitted
    }

    fn any(&mut self) -> bool {
        let mut permitted = self.all();
        while self.tokens.next_if_eq(&"OR").is_some() {
            permitted |= self.all();
        }
        permitted
    }

    fn all(&mut self) -> bool {
        let mut permitted = self.one();
        while self.tokens.next_if_eq(&"AND").is_some() {
            permitted &= self.one();
        }
        permitted
    }

    fn one(&mut self) -> bool {
        let license = self.tokens.next().expect("a license follows");
        if license == "(" {
            let permitted = self.any();
            assert_eq!(self.tokens.next(), Some(")"), "a parenthesis is closed");
            return permitted;
        }
        match self.tokens.next_if_eq(&"WITH").and_then(|_| self.tokens.next()) {
            Some(exception) => self.allowed.contains(format!("{license} WITH {exception}").as_str()),
            None => self.allowed.contains(license),
        }
    }
}

#[test]
fn license_expressions_are_read_by_their_grammar() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    for expression in ["MIT", "GPL-3.0-only OR MIT", "MIT/GPL-2.0-only", "(GPL-3.0-only OR ISC) AND MIT"] {
        assert!(Expression::permits(expression, &allowed), "{expression}");
    }
    assert!(Expression::permits("Apache-2.0 WITH LLVM-exception OR Apache-2.0", &allowed));
    for expression in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR ISC) AND GPL-3.0-only", "Apache-2.0"] {
        assert!(!Expression::permits(expression, &allowed), "{expression}");
    }
}

/// On all platforms after `cargo fetch`, as in CI, else on this one.
#[test]
fn every_dependency_has_an_allowed_license() {
    let policy = policy();
    let allowed: BTreeSet<_> = words(&policy, &["licenses", "allow"]).into_iter().collect();
    let found = metadata(None).or_else(|_| metadata(Some(&host()))).expect("the sources are there: they were compiled");
    let license = |package: &Value| package["license"].as_str().unwrap_or("none").to_owned();
    let wrong: Vec<_> = list(&found, "packages")
        .iter()
        .filter(|package| !Expression::permits(&license(package), &allowed))
        .map(|package| format!("{} {}: {}", word(package, "name"), word(package, "version"), license(package)))
        .collect();
    assert!(wrong.is_empty(), "not allowed by .cargo/deny.toml: {wrong:#?}");
}

#[test]
fn every_dependency_is_from_the_registry_and_in_one_version_unless_listed() {
    let policy = policy();
    let lock = toml(include_str!("../Cargo.lock"));
    let registries = words(&policy, &["sources", "allow-registry"]);
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in array(&lock, &["package"]) {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let (name, version) = (name.expect("a name"), version.expect("a version"));
        let source = text(package, "source");
        let allowed = match source {
            None => OURS.contains(&name),
            Some(source) => source.strip_prefix("registry+").is_some_and(|address| registries.contains(&address)),
        };
        assert!(allowed, "{name} is from {source:?}, not from {registries:?}");
        versions.entry(name).or_default().push(version);
    }
    for skipped in array(&policy, &["bans", "skip"]) {
        let skipped = text(skipped, "crate").expect("a name");
        let (name, version) = skipped.split_once('@').expect("a version");
        let found = versions.get_mut(name).filter(|found| found.len() > 1);
        let found = found.unwrap_or_else(|| panic!("{name} has one version now: remove {skipped} from the list"));
        let before = found.len();
        found.retain(|full| !full.starts_with(&format!("{version}.")));
        assert_eq!(found.len(), before - 1, "remove {skipped} from the list: found {name} in {found:?}");
    }
    versions.retain(|_, found| found.len() > 1);
    assert!(versions.is_empty(), "several versions, not listed in .cargo/deny.toml: {versions:#?}");
}

#[test]
fn the_program_takes_no_more_crates_than_it_did() {
    let host = host();
    let Some((_, most)) = MOST_CRATES.into_iter().find(|(part, _)| host.contains(part)) else { return };
    let found = metadata(Some(&host)).unwrap_or_else(|error| panic!("{error}"));
    let nodes: BTreeMap<_, _> = list(&found["resolve"], "nodes").iter().map(|node| (word(node, "id"), node)).collect();
    let root = word(&found["resolve"], "root");
    let (mut reached, mut open) = (BTreeSet::from([root]), vec![root]);
    while let Some(id) = open.pop() {
        for dependency in list(nodes[id], "deps") {
            let compiled = list(dependency, "dep_kinds").iter().any(|kind| kind["kind"] != "dev");
            if compiled && reached.insert(word(dependency, "pkg")) {
                open.push(word(dependency, "pkg"));
            }
        }
    }
    reached.remove(root);
    let count = reached.len();
    assert!(count <= most, "{count} crates, at most {most} are expected on {host}: {reached:#?}");
}
