//! Inputs that fuzzing found, or that once broke something, break nothing: see `tests/fuzz`.

#[path = "fuzzing/targets/mod.rs"]
pub mod targets;

use std::path::Path;
use targets::TARGETS;

#[test]
fn every_kept_input_is_read_without_a_panic_and_within_its_limit_of_memory() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzing/corpus").join(name);
        let entries = std::fs::read_dir(&folder).expect("the corpus is there");
        let mut inputs: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        let breaks = |path: &std::path::PathBuf| {
            let bytes = std::fs::read(path).expect("it can be read");
            std::panic::catch_unwind(|| target(&bytes)).is_err()
        };
        broken.extend(inputs.into_iter().filter(breaks));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
