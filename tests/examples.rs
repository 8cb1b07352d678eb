//! Every example runs to its end and prints something. `cargo test` builds them; by itself, this test needs
//! `cargo build --examples` before it.

use std::path::Path;
use std::process::Command;

#[test]
fn every_example_runs() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples");
    let built = Path::new(env!("CARGO_BIN_EXE_shadegrad")).with_file_name("examples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(sources).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.push(path.file_stem().expect("it has a name").to_owned());
        }
    }
    assert!(!names.is_empty());
    for name in names {
        let place = tempfile::tempdir().expect("a temporary folder");
        let program = built.join(&name).with_extension(std::env::consts::EXE_EXTENSION);
        let output = Command::new(&program).current_dir(&place).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(output.status.success() && !output.stdout.is_empty(), "{}: {output:?}", name.display());
    }
}
