//! Rules of the design that the text of the sources shows: files that use each other, types that share a name, and paths
//! that the contributor's guide gives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders with files that use each other, to be taken apart. Nothing is added here.
const CIRCLES: &[&str] = &[];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("it can be read").path();
        match path.extension() {
            _ if path.is_dir() => found.extend(files(&path)),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

/// The code of a file: without its unit tests, comments and what stands between quotes.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = text.split("#[cfg(test)]\nmod ").next().expect("a part is always there");
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let raw = rest.starts_with("r#\"");
        let skipped = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            'r' if raw => rest.find("\"#").map_or(rest.len(), |end| end + 2),
            '"' => quoted(rest),
            '\'' if rest.starts_with("'\"'") => 3,
            _ => 0,
        };
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of the text in quotes that `rest` begins with.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest[1..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 2)
}

/// A file as a module of the crate.
struct Module {
    file: String,
    /// What each name that `use` brings stands for.
    imports: BTreeMap<String, Vec<String>>,
    /// The rest of the code.
    body: String,
}

/// Modules by path, such as `["nn", "layer"]`; the crate itself is `[]`.
type Modules = BTreeMap<Vec<String>, Module>;

fn modules() -> Modules {
    let sources = root().join("src");
    let module = |path: PathBuf| {
        let below = path.strip_prefix(&sources).expect("it is below");
        let mut parts: Vec<_> =
            below.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.pop_if(|last| ["mod", "lib"].contains(&last.as_str()));
        let (imports, body) = split_imports(&code(&path));
        (parts, Module { file: below.to_string_lossy().replace('\\', "/"), imports, body })
    };
    files(&sources).into_iter().filter(|path| !path.ends_with("main.rs")).map(module).collect()
}

/// What a file imports, by the names it is given there, and the rest of the file but for its modules.
fn split_imports(code: &str) -> (BTreeMap<String, Vec<String>>, String) {
    let (mut imports, mut body) = (BTreeMap::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let import =
            line.trim().split_once("use ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let Some((_, tree)) = import else {
            if !line.trim_end().ends_with(';') || !line.contains("mod ") {
                body += line;
                body.push('\n');
            }
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree += lines.next().expect("a `use` ends");
        }
        let mut paths = Vec::new();
        expand(&[], tree.split(';').next().expect("a part is always there"), &mut paths);
        for mut path in paths {
            let name = path.last().expect("it is not empty").clone();
            path.truncate(path.iter().position(|part| part == "as").unwrap_or(path.len()));
            imports.insert(name, path);
        }
    }
    (imports, body)
}

/// The paths of a tree such as `a::{b, c as d}`.
fn expand(prefix: &[String], tree: &str, paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    if let Some((before, inner)) = tree.split_once('{') {
        let inner = inner.trim_end().strip_suffix('}').expect("a brace closes");
        let before = before.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let prefix: Vec<_> = prefix.iter().cloned().chain(before).collect();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if c == ',' && depth == 0 {
                expand(&prefix, &inner[start..at], paths);
                start = at + 1;
            }
        }
        expand(&prefix, &inner[start..], paths);
    } else if !tree.is_empty() {
        let parts =
            tree.split("::").flat_map(str::split_whitespace).filter(|part| *part != "self" || prefix.is_empty());
        paths.push(prefix.iter().cloned().chain(parts.map(str::to_owned)).collect());
    }
}

/// The module that a path leads to from one, through what modules pass on; none where it leads out of the crate.
fn resolve(modules: &Modules, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut at = from.to_vec();
    let mut rest = path;
    let mut first = true;
    loop {
        // A module by itself is a scope, or is imported for what the code names in it.
        let next = rest.first()?;
        let mut child = at.clone();
        child.push(next.clone());
        match next.as_str() {
            "crate" if first => at.clear(),
            "self" if first => {}
            "super" => drop(at.pop()?),
            _ if modules.contains_key(&child) => at = child,
            name => match modules.get(&at)?.imports.get(name) {
                Some(import) => {
                    // What begins with another crate ends here.
                    let inside = ["crate", "self", "super"].contains(&import[0].as_str()) || {
                        child.pop();
                        child.push(import[0].clone());
                        modules.contains_key(&child)
                    };
                    let whole: Vec<_> = import.iter().chain(&rest[1..]).cloned().collect();
                    return inside.then(|| resolve(modules, &at, &whole)).flatten();
                }
                _ if first => return None,
                _ => return Some(at),
            },
        }
        first = false;
        rest = &rest[1..];
    }
}

/// The files that each file uses. What it only passes on to others it does not use.
fn used() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let used = modules.iter().map(|(place, module)| {
        let words: BTreeSet<_> = module.body.split(|c| !is_part(c)).collect();
        let imports =
            module.imports.iter().filter(|(name, _)| words.contains(name.as_str())).map(|(_, path)| path.clone());
        let paths = module.body.split(|c| !is_part(c) && c != ':').filter(|word| word.contains("::"));
        let paths = paths.map(|word| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
        let targets = imports.chain(paths).filter_map(|path: Vec<_>| resolve(&modules, place, &path));
        let files = targets.map(|target| modules[&target].file.clone()).filter(|file| *file != module.file);
        (module.file.clone(), files.collect())
    });
    used.collect()
}

/// What a file uses, what that uses, and so on.
fn reached<'a>(used: &'a BTreeMap<String, BTreeSet<String>>, file: &'a String) -> BTreeSet<&'a String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(next) = open.pop() {
        open.extend(used[next].iter().filter(|target| seen.insert(*target)));
    }
    seen
}

/// Groups of files of which each reaches all others by what they use.
fn circles() -> BTreeSet<Vec<String>> {
    let used = used();
    let reached: BTreeMap<_, _> = used.keys().map(|file| (file, reached(&used, file))).collect();
    let circle = |file| {
        let others = reached[file].iter().filter(|other| reached[**other].contains(file));
        others.map(|other| (*other).clone()).collect::<Vec<_>>()
    };
    used.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

/// Whether the files are the forward and the gradient of one op.
fn is_one_op(circle: &[String]) -> bool {
    let op = |file: &String| file.trim_end_matches(".rs").trim_end_matches("_gradient").to_owned();
    circle[0].starts_with("ops/") && circle.iter().map(op).collect::<BTreeSet<_>>().len() == 1
}

#[test]
fn files_use_each_other_in_no_circles() {
    let circles: Vec<_> = circles().into_iter().filter(|circle| !is_one_op(circle)).collect();
    let listed = |circle: &Vec<String>| CIRCLES.iter().any(|folder| circle.iter().all(|file| file.starts_with(folder)));
    let new: Vec<_> = circles.iter().filter(|circle| !listed(circle)).collect();
    assert!(new.is_empty(), "files use each other: {new:#?}");
    let gone = CIRCLES.iter().find(|folder| !circles.iter().any(|circle| circle[0].starts_with(*folder)));
    assert_eq!(gone, None, "remove it from the list: its files use each other no more");
}

/// The name of a type or trait, where a line declares one.
fn declared(line: &str) -> Option<&str> {
    let item = line.trim_start();
    let item =
        item.strip_prefix("pub").map_or(item, |rest| rest.trim_start_matches(|c| !char::is_whitespace(c)).trim_start());
    let (kind, rest) = item.split_once(' ')?;
    // An indented alias belongs to a trait.
    let is_type = ["struct", "enum", "trait", "union"].contains(&kind) || kind == "type" && !line.starts_with(' ');
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    // A macro declares a type whose name is a parameter.
    (is_type && end > 0).then(|| &rest[..end])
}

#[test]
fn a_name_means_one_type() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in modules().values() {
        for name in module.body.lines().filter_map(declared) {
            places.entry(name.to_owned()).or_default().push(module.file.clone());
        }
    }
    assert!(places.len() > 100, "types are not found: {places:?}");
    places.retain(|_, files| files.len() > 1);
    assert!(places.is_empty(), "types of one name: {places:#?}");
}

/// A path with `NAME` or `FAMILY` in it says where such files go: only its folder needs to be there.
#[test]
fn the_contributors_guide_names_files_that_are_there() {
    let guide = include_str!("../.github/CONTRIBUTING.md");
    let places = ["src/", "shaders/", "tests/", "benches/", ".ci/", ".cargo/"];
    let paths: Vec<_> = guide.split('`').filter(|word| places.iter().any(|place| word.starts_with(place))).collect();
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        let path = path.split_whitespace().next().expect("it is not empty");
        let known = path.find(|c: char| c == '*' || c.is_uppercase()).unwrap_or(path.len());
        let known = if known == path.len() { path } else { &path[..path[..known].rfind('/').expect("a folder")] };
        assert!(root().join(known).exists(), "the guide names {path}");
    }
}
