//! Kernels with the files that their sources are made of, and the forms in which they are tested.

use super::mutant::{Mutant, mutants};
use shadegrad::kernel::{AnyKernel, Caps, Variant};
use shadegrad::ops::registry;
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

/// Whether this is a product with something fused to it: the bodies of its variants are those of the plain product.
fn is_fused(kernel: &dyn AnyKernel) -> bool {
    kernel.name().starts_with("matmul_") && kernel.name().len() > "matmul_nn".len()
}

/// Every kernel, and every mutant of every file that it is made of; the bodies of products only in those to which
/// nothing is fused.
pub(crate) fn kernels_and_mutants(caps: &Caps) -> Vec<(&'static dyn AnyKernel, Vec<Mutant>)> {
    let files = shader_files();
    let of_file: BTreeMap<_, _> = files.iter().map(|(name, text)| (name, mutants(name, text))).collect();
    let of_kernel = |kernel: &'static dyn AnyKernel| {
        let mut parts = parts(&kernel.variants(caps), &files);
        if is_fused(kernel) {
            parts.retain(|part| !part.starts_with("lib/matmul_"));
        }
        (kernel, parts.iter().flat_map(|part| of_file[part].clone()).collect())
    };
    registry().into_iter().map(of_kernel).collect()
}

/// The variants with the file's text exchanged for the mutant's, where it is a part of them.
pub(crate) fn mutated(variants: &[Variant], original: &str, mutant: &Mutant) -> Vec<(Variant, Variant)> {
    let edit = |part: &str| if part == original { mutant.text.clone() } else { part.to_owned() };
    let both = variants.iter().map(|variant| (variant.clone(), variant.edited(variant.name.clone(), edit)));
    both.filter(|(variant, mutated)| variant != mutated).collect()
}
