//! Kernels with the files that their sources are made of, and the forms in which they are tested.

use super::mutant::{Mutant, mutants};
use sha2::{Digest, Sha256};
use shadegrad::kernel::{AnyKernel, Caps, Effort, Variant};
use shadegrad::ops::registry;
use shadegrad::verify::forms;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The shader files by their paths below `shaders`, each with its text.
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

/// The files of `files` that the variants are made of.
pub(crate) fn parts(variants: &[Variant], files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let found = RefCell::new(BTreeSet::new());
    let name = |part: &str| {
        let file = files.iter().find(|(_, text)| *text == part);
        let (name, _) = file.unwrap_or_else(|| panic!("a part of a shader is no file: build again\n{part}"));
        found.borrow_mut().insert(name.clone());
        part.to_owned()
    };
    variants.iter().for_each(|variant| drop(variant.edited("", name)));
    found.into_inner()
}

/// The variants in which the short form of the tests runs a kernel.
pub(crate) fn variants(kernel: &'static dyn AnyKernel, caps: &Caps) -> Vec<Variant> {
    let mut variants: Vec<Variant> = forms(kernel, caps, Effort::QUICK).into_iter().map(|form| form.variant).collect();
    variants.dedup();
    variants
}

/// The most mutants of a kernel that are judged.
pub(crate) const MOST: usize = 200;
/// The most of a product: each of its many variants takes long to compile.
pub(crate) const MOST_PRODUCT: usize = 60;
/// The most of a product with something fused to it, the body of which is judged as the plain product's already.
pub(crate) const MOST_FUSED: usize = 24;

/// Every kernel with the mutants of it that are judged.
pub(crate) fn kernels_and_mutants(caps: &Caps) -> Vec<(&'static dyn AnyKernel, Vec<Mutant>)> {
    let most = |kernel: &dyn AnyKernel| match kernel.body().starts_with("matmul_") {
        true if kernel.body() != kernel.name() => MOST_FUSED,
        true => MOST_PRODUCT,
        false => MOST,
    };
    all_mutants(caps).into_iter().map(|(kernel, mutants)| (kernel, sample(mutants, most(kernel)))).collect()
}

/// Every kernel with the mutants of every file that it is made of.
pub(crate) fn all_mutants(caps: &Caps) -> Vec<(&'static dyn AnyKernel, Vec<Mutant>)> {
    let files = shader_files();
    let of_file: BTreeMap<_, _> = files.iter().map(|(name, text)| (name, mutants(name, text))).collect();
    let of_kernel = |kernel: &'static dyn AnyKernel| {
        let parts = parts(&variants(kernel, caps), &files);
        (kernel, parts.iter().flat_map(|part| of_file[part].clone()).collect())
    };
    registry().into_iter().map(of_kernel).collect()
}

/// At most so many mutants, in their order: always the same, drawn by their texts; epilogues, of which a product may have
/// one of its own, come first.
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

/// The variants with the file's text exchanged for the mutant's, where it is a part of them.
pub(crate) fn mutated(variants: &[Variant], original: &str, mutant: &Mutant) -> Vec<(Variant, Variant)> {
    let edit = |part: &str| if part == original { mutant.text.clone() } else { part.to_owned() };
    let both = variants.iter().map(|variant| (variant.clone(), variant.edited(variant.name.clone(), edit)));
    both.filter(|(variant, mutated)| variant != mutated).collect()
}
