//! Kernels with their source files, and the variants in which they are tested.

use super::mutant::{Mutant, mutants};
use sha2::{Digest, Sha256};
use shadegrad::kernel::{AnyKernel, Caps, Effort, Variant};
use shadegrad::ops::registry;
use shadegrad::verify::forms;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The shader files by path below `shaders`, with their text.
pub(crate) fn shader_files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = BTreeMap::new();
    for folder in ["", "lib/"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder exists") {
            let path = entry.expect("the entry can be read").path();
            if path.is_file() {
                let name = path.file_name().expect("a file has a name").to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("a shader can be read");
                files.insert(format!("{folder}{name}"), text);
            }
        }
    }
    files
}

/// The files of `files` used by the variants.
pub(crate) fn parts(variants: &[Variant], files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let found = RefCell::new(BTreeSet::new());
    let name = |part: &str| {
        // Constants that the host shares are generated, as parts of their own or before a file's text.
        let is_of = |text: &str| part.strip_suffix(text).is_some_and(is_generated);
        match files.iter().find(|(_, text)| is_of(text)) {
            Some((name, _)) => drop(found.borrow_mut().insert(name.clone())),
            None => assert!(is_generated(part), "a part of a shader is no file: build again\n{part}"),
        }
        part.to_owned()
    };
    variants.iter().for_each(|variant| drop(variant.edited("", name)));
    found.into_inner()
}

fn is_generated(part: &str) -> bool {
    part.lines().all(|line| line.starts_with("const ") && line.ends_with(';'))
}

/// The variants in which the quick tests run a kernel.
pub(crate) fn variants(kernel: &'static dyn AnyKernel, caps: &Caps) -> Vec<Variant> {
    let mut variants: Vec<Variant> = forms(kernel, caps, Effort::QUICK).into_iter().map(|form| form.variant).collect();
    variants.dedup();
    variants
}

/// Maximum number of mutants tested per kernel.
pub(crate) const MOST: usize = 200;
/// The same for products: each of their many variants takes long to compile.
pub(crate) const MOST_PRODUCT: usize = 60;
/// The same for products with fused epilogues, whose body is already tested as the plain product's.
pub(crate) const MOST_FUSED: usize = 24;

/// Every kernel with its mutants to test.
pub(crate) fn kernels_and_mutants(caps: &Caps) -> Vec<(&'static dyn AnyKernel, Vec<Mutant>)> {
    let most = |kernel: &dyn AnyKernel| match kernel.body().starts_with("matmul_") {
        true if kernel.body() != kernel.name() => MOST_FUSED,
        true => MOST_PRODUCT,
        false => MOST,
    };
    all_mutants(caps).into_iter().map(|(kernel, mutants)| (kernel, sample(mutants, most(kernel)))).collect()
}

/// Every kernel with the mutants of all its files.
pub(crate) fn all_mutants(caps: &Caps) -> Vec<(&'static dyn AnyKernel, Vec<Mutant>)> {
    let files = shader_files();
    let of_file: BTreeMap<_, _> = files.iter().map(|(name, text)| (name, mutants(name, text))).collect();
    let of_kernel = |kernel: &'static dyn AnyKernel| {
        let parts = parts(&variants(kernel, caps), &files);
        (kernel, parts.iter().flat_map(|part| of_file[part].clone()).collect())
    };
    registry().into_iter().map(of_kernel).collect()
}

/// At most `most` mutants in order: a fixed selection by hash of their text; epilogues, which a product may not share,
/// come first.
fn sample(mutants: Vec<Mutant>, most: usize) -> Vec<Mutant> {
    let mut drawn: Vec<usize> = (0..mutants.len()).collect();
    drawn.sort_by_cached_key(|&i| {
        let Mutant { file, text, .. } = &mutants[i];
        (!file.starts_with("lib/epilogue_"), Sha256::digest(text.as_bytes()).to_vec())
    });
    drawn.truncate(most);
    drawn.sort_unstable();
    drawn.into_iter().map(|i| mutants[i].clone()).collect()
}

/// The variants with the file's text replaced by the mutant's, if they contain it.
pub(crate) fn mutated(variants: &[Variant], original: &str, mutant: &Mutant) -> Vec<(Variant, Variant)> {
    let edit = |part: &str| match part.strip_suffix(original) {
        Some(generated) if is_generated(generated) => format!("{generated}{}", mutant.text),
        _ => part.to_owned(),
    };
    let both = variants.iter().map(|variant| (variant.clone(), variant.edited(variant.name.clone(), edit)));
    both.filter(|(variant, mutated)| variant != mutated).collect()
}
