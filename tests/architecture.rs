//! Design rules that a program can check.

use shadegrad::kernel::{AnyKernel, Caps};
use shadegrad::ops::registry;
use shadegrad::profile::peaks;
use shadegrad::shader::Reflection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each layer with the layers it may import.
const LAYERS: &[(&str, &str)] = &[
    ("text", ""),
    ("error", ""),
    ("ledger", "error"),
    ("shared", ""),
    ("shape", "error"),
    ("random", "shared"),
    ("shader", "error shape"),
    ("kernel", "error shape random shader"),
    ("plan", "error text shape shader kernel"),
    ("graph", "error shape kernel plan"),
    ("ops", "error shared shape random shader kernel plan graph"),
    ("optim", "error shape plan graph ops"),
    ("nn", "error shape random plan graph ops"),
    ("planner", "error shape random kernel plan graph ops nn optim"),
    ("infer", "error kernel plan nn ops planner"),
    ("gpu", "error shape shader kernel plan"),
    ("cpu", "error shape shader kernel plan"),
    ("data", "error shape random"),
    ("train", "error text shape random kernel plan nn optim data planner infer"),
    ("verify", "error ledger shape random shader kernel plan graph ops nn optim planner gpu cpu data train"),
    ("tuner", "error ledger shape random shader kernel plan graph gpu verify"),
    ("session", "error kernel plan gpu train verify tuner"),
    ("profile", "error text shape random shader kernel plan planner gpu cpu data verify"),
    ("cli", "error text kernel plan ops nn optim planner gpu cpu data train verify tuner session profile"),
];

/// The kernels of the ops, and those that measure peaks in a profile.
fn all_kernels() -> Vec<&'static dyn AnyKernel> {
    [registry(), peaks::registry(true)].concat()
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("the folder exists");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            let name = path.file_name().expect("a folder has a name").to_string_lossy().into_owned();
            found.extend(files(&format!("{folder}/{name}"), extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The layer of a file: the first component of its path below src.
fn layer(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("below src");
    let first = below.components().next().expect("a path has a part").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn layers_import_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for path in files("src", "rs") {
        let layer = layer(&path);
        if ["lib", "main"].contains(&layer.as_str()) {
            continue;
        }
        let allowed = LAYERS.iter().find(|(name, _)| *name == layer);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{layer} is no layer of the design"));
        for import in text(&path).split("crate::").skip(1) {
            let name: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let known = LAYERS.iter().any(|(other, _)| *other == name);
            if known && name != layer && !allowed.split(' ').any(|a| a == name) {
                wrong.push(format!("{} imports {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_lives_in_one_file_and_only_the_command_prints() {
    for path in files("src", "rs") {
        let source = text(&path);
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        let uses = |word: &str| code.clone().any(|line| line.contains(word));
        assert!(!uses("unsafe {") || path.ends_with("gpu/device.rs"), "unsafe code in {}", path.display());
        assert!(!uses("println!") && !uses("eprintln!"), "{} bypasses the output module", path.display());
        assert!(!uses("wgpu::") || layer(&path) == "gpu", "{} uses wgpu outside src/gpu", path.display());
        assert!(!uses("env::var"), "{} reads an environment variable", path.display());
    }
}

#[test]
fn names_of_slots_and_sections_are_spelled_in_one_file() {
    let one = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/planner/names.rs");
    let names =
        ["train", "validation", "test", "scan", "kept", "measure", "infer", "weights", "statistics", "gradients"];
    let of_slots = names.map(|name| format!("\"{name}/"));
    let of_sections =
        [".run", ".section", "plan.begin", "plan.begin_after", ".timed", ".apart"].map(|call| format!("{call}(\""));
    let mut wrong = Vec::new();
    for path in files("src", "rs").into_iter().filter(|path| *path != one) {
        let source = text(&path);
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        // Plans that are not made by the planner have sections of their own.
        let own_plans = ["src/verify/gradients.rs", "src/verify/limits.rs"].iter().any(|own| path.ends_with(own));
        let sections = of_sections.iter().filter(|_| !own_plans && layer(&path) != "profile");
        for (number, line) in code.lines().enumerate() {
            if of_slots.iter().chain(sections.clone()).any(|spelled| line.contains(spelled)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_shader_belongs_to_a_kernel_and_every_kernel_to_files_of_one_name() {
    let everything = Caps { subgroup_size: Some(8), cpu: true, ..Caps::portable() };
    let mut sources = Vec::new();
    for kernel in all_kernels() {
        let both = [kernel.variants(&Caps::portable()), kernel.variants(&everything)].concat();
        sources.extend(both.iter().map(|variant| variant.source()));
    }
    let ops = files("src/ops", "rs");
    for path in files("shaders", "wgsl") {
        let body = text(&path);
        assert!(sources.iter().any(|source| source.contains(&body)), "no kernel uses {}", path.display());
        if path.parent().is_some_and(|folder| folder.ends_with("shaders")) {
            let op = path.file_stem().expect("a shader has a name");
            let has_name = |file: &PathBuf| {
                let folder = file.parent().filter(|_| file.ends_with("mod.rs"));
                folder.unwrap_or(file).file_stem() == Some(op)
            };
            assert!(ops.iter().any(has_name), "{} has no op of the same name below src/ops", path.display());
        }
    }
    let names: BTreeSet<_> = all_kernels().iter().map(|kernel| kernel.name()).collect();
    assert_eq!(names.len(), all_kernels().len(), "two kernels share a name");
}

/// Whole numbers that shader and host share stand in Rust, by `shared!`. What a formula is made of, the twin has of its
/// own: it could not find a mistake that it shares.
#[test]
fn no_whole_number_is_declared_both_in_a_shader_and_in_rust() {
    let rust: String = files("src", "rs").iter().map(|path| text(path)).collect();
    let declared =
        |name: &str| rust.contains(&format!(" {name}: u32 =")) || rust.contains(&format!(" {name}: usize ="));
    assert!(declared("IGNORE_INDEX") && !declared("PACK"), "the check is blind");
    for path in files("shaders", "wgsl") {
        for constant in
            text(&path).lines().filter_map(|line| line.trim_start().strip_prefix("const ").map(str::to_owned))
        {
            let (name, value) = constant.split_once(" = ").expect("a constant has a value");
            let whole = value.starts_with(|c: char| c.is_ascii_digit()) && !value.contains('.');
            assert!(!whole || !declared(name), "{}: `{name}` stands in Rust, too", path.display());
        }
    }
}

#[test]
fn rust_and_wgsl_agree_on_params_bindings_and_limits() {
    let subgroups = |size| Caps { subgroup_size: Some(size), cpu: size == 8, ..Caps::portable() };
    for kernel in all_kernels() {
        let name = kernel.name();
        let mut bindings = None;
        let large = Caps { workgroup_bytes: 64 << 10, invocations: 1024, storage_buffers: 31, ..subgroups(32) };
        let small = Caps { workgroup_bytes: 8 << 10, ..Caps::portable() };
        for caps in [Caps::portable(), subgroups(4), subgroups(8), subgroups(32), subgroups(64), large, small] {
            for variant in kernel.variants(&caps) {
                let reflection = Reflection::of(name, &variant.source()).unwrap_or_else(|e| panic!("{variant}: {e}"));
                let (fields, size) = kernel.fields();
                assert_eq!(reflection.params, fields, "{name} {variant}: WGSL Params (left), Rust params (right)");
                assert_eq!(size, 4 * fields.len(), "{name}: the Rust struct has padding");
                let shapes: Vec<_> = reflection
                    .bindings
                    .iter()
                    .map(|b| (b.name.clone(), b.dtype, b.extents.clone(), b.access))
                    .collect();
                for (binding, _, extents, _) in &shapes {
                    let known = |e: &String| e.parse::<u32>().is_ok() || fields.iter().any(|f| f.name == *e);
                    assert!(extents.iter().all(known), "{name} {variant}: `{binding}` has shape {extents:?}");
                }
                assert_eq!(
                    *bindings.get_or_insert(shapes.clone()),
                    shapes,
                    "{name} {variant}: variants differ in bindings"
                );
                assert_eq!(caps.lacks(&reflection), None, "{name} {variant} was offered to {caps:?}");
            }
        }
    }
}

/// What may speak of images, pixels or digits: the start of a path and the reason.
const OF_IMAGES: [(&str, &str); 5] = [
    ("src/data/", "data sets and their formats"),
    ("src/cli/", "what users see"),
    ("src/nn/augment.rs", "augmentation of images"),
    ("src/ops/batch/gather_augmented/", "augmentation of images"),
    ("shaders/gather_augmented.wgsl", "augmentation of images"),
];

/// Everything else works on items of any shape. `digits` may be named where the embedded data set is loaded.
#[test]
fn only_data_the_command_and_augmentation_speak_of_images() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("shaders", "wgsl")) {
        let place = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        if OF_IMAGES.iter().any(|(allowed, _)| place.starts_with(allowed)) {
            continue;
        }
        for (number, line) in text(&path).lines().enumerate() {
            let line = line.to_lowercase().replace("digits(", "").replace("{dataset, digits}", "");
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            let about_images = |word: &&str| ["image", "pixel", "digit"].contains(&word.trim_end_matches('s'));
            if let Some(word) = words.find(about_images) {
                wrong.push(format!("{place}:{}: {word}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
