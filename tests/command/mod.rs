//! Shared by command-line tests: running the command, and a small data set.

#![allow(dead_code, reason = "not every test uses all of it")]

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

pub(crate) const TRAIN_IMAGES: &str = "set/train-images-idx3-ubyte";
pub(crate) const TRAIN_LABELS: &str = "set/train-labels-idx1-ubyte";
pub(crate) const TEST_IMAGES: &str = "set/t10k-images-idx3-ubyte";
pub(crate) const TEST_LABELS: &str = "set/t10k-labels-idx1-ubyte";

/// An IDX file.
pub(crate) fn idx(magic: u32, extents: &[u32], payload: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(extents).flat_map(|word| word.to_be_bytes());
    words.chain(payload).collect()
}

/// Images of 4 x 4 pixels.
pub(crate) fn images(count: u32) -> Vec<u8> {
    idx(0x803, &[count, 4, 4], (0..16 * count).map(|i| (i * 37 % 251) as u8))
}

/// Labels for the images.
pub(crate) fn labels(count: u32) -> Vec<u8> {
    idx(0x801, &[count], (0..count).map(|i| (i % 10) as u8))
}

/// A NumPy array of one element type.
pub(crate) fn npy(descr: &str, shape: &[usize], payload: &[u8]) -> Vec<u8> {
    let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), payload].concat()
}

/// A temporary folder to run the command in. It contains `set`, a valid data set of 60 + 20 images, for tests to
/// damage.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::create_dir(place.path("set")).expect("writable");
        place.put(TRAIN_IMAGES, &images(60)).put(TRAIN_LABELS, &labels(60));
        place.put(TEST_IMAGES, &images(20)).put(TEST_LABELS, &labels(20));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> &Self {
        std::fs::write(self.path(name), bytes).expect("writable");
        self
    }

    /// The command with the space-separated arguments of `line`.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shadegrad"));
        command.args(line.split_whitespace()).current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::new(self.command(line).output().expect("the command starts"))
    }

    /// The same with a cache of its own, empty except for compiled shaders.
    pub(crate) fn command_with_cache(&self, line: &str) -> Command {
        let mut command = self.command(line);
        command.env("XDG_CACHE_HOME", self.path("cache"));
        let usual = shadegrad::data::cache_folder();
        if let Some(usual) = usual.as_deref().and_then(std::path::Path::parent) {
            command.env("MESA_SHADER_CACHE_DIR", usual);
        }
        command
    }

    /// The `devices` entry of adapter 0: a GPU if there is one, else a software driver.
    pub(crate) fn first_adapter(&self) -> Value {
        let adapters = self.run("devices --json").objects();
        adapters.into_iter().next().expect("no adapter to test on: run tests/run, which provides a software driver")
    }
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The stdout lines of a successful run without stderr output.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<&str> {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out.lines().collect()
    }

    /// The stdout lines as JSON objects.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.lines().iter().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}
