//! Regression tests with inputs found by fuzzing, or that once caused a failure: see `tests/fuzz`.

#![allow(clippy::print_stdout, reason = "figures for whoever runs it with --nocapture")]

#[path = "fuzzing/targets/mod.rs"]
pub mod targets;

use flate2::{Compression, read::GzEncoder};
use shadegrad::nn::Model;
use shadegrad::train::ModelFile;
use std::io::Read;
use std::path::{Path, PathBuf};
use targets::{Limit, TARGETS, Target};

/// The maximum length of a model's text.
const LONGEST_TEXT: usize = 1 << 16;

#[test]
fn every_kept_input_is_read_without_a_panic_and_within_its_limit_of_memory() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzing/corpus").join(name);
        let entries = std::fs::read_dir(&folder).expect("the corpus is there");
        let mut inputs: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        let breaks = |path: &PathBuf| {
            let bytes = std::fs::read(path).expect("it can be read");
            std::panic::catch_unwind(|| target(&bytes)).is_err()
        };
        broken.extend(inputs.into_iter().filter(breaks));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzipped = Vec::new();
    GzEncoder::new(bytes, Compression::fast()).read_to_end(&mut gzipped).expect("it is in memory");
    gzipped
}

fn images(rows: u32, held: usize) -> Vec<u8> {
    let header = [0x0803, 2000, rows, 32].into_iter().flat_map(u32::to_be_bytes);
    header.chain((0..held).map(|i| (i * i / 7) as u8)).collect()
}

/// Constants are negligible here: memory per byte shows.
#[test]
fn megabytes_take_no_more_than_their_limit_of_memory() {
    let model = Model::mlp([784, 512, 10]).expect("the widths are valid");
    let named = model.state().into_iter().zip(model.initial(1));
    let tensors: Vec<_> = named.map(|((name, shape), values)| (name, shape, values)).collect();
    let model = ModelFile::encode(&model, &tensors, &[]).expect("the tensors are the model's");
    let keys = (0..8000).map(|i| format!("a.{i:x}.b=1\n")).collect::<String>();
    // The deepest keys allowed, with a table at each level.
    let nested = (0..500).map(|i| format!("k{i}{}=1\n", ".a".repeat(78))).collect::<String>();
    let sound = images(32, 2000 << 10);
    for (name, target, bytes) in [
        ("images", targets::idx as Target, sound.clone()),
        ("gzipped images", targets::gzip, gzipped(&sound)),
        ("gzipped zeros", targets::gzip, gzipped(&[&sound[..16], &[0; 2000 << 10]].concat())),
        ("a promise of 30 MB of which 2 come", targets::gzip, gzipped(&images(480, 2000 << 10))),
        ("bytes of 1000 items", targets::npy, npy("|u1", true, [1000, 2000])),
        ("doubles of 1000 items", targets::npy, npy("<f8", true, [1000, 200])),
        ("doubles beyond the end", targets::npy, npy("<f8", false, [1000, 200])[..800_000].to_vec()),
        ("a model", targets::model_file, model.clone()),
        ("half a model", targets::model_file, model[..model.len() / 2].to_vec()),
        ("text of many keys", targets::blueprint, keys.as_bytes()[..LONGEST_TEXT].to_vec()),
        ("text of nested keys", targets::blueprint, nested.as_bytes()[..LONGEST_TEXT].to_vec()),
    ] {
        let (usage, bytes) = (target(&bytes), bytes.len());
        println!("{name}: {bytes} bytes take {usage:?}, {:.3} of what is allowed", usage.share());
        assert!(usage.peak > 0, "{name}: no memory was measured");
    }
}

/// A NumPy array of zeros.
fn npy(descr: &str, fortran: bool, shape: [usize; 2]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({}, {}), }}\n", shape[0], shape[1]);
    let width: usize = descr[2..].parse().expect("a number of bytes");
    let zeros = vec![0; width * shape[0] * shape[1]];
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &zeros].concat()
}

/// Exceeding a limit is detected.
#[test]
fn memory_is_measured() {
    let half = Limit { factor: 1, constant: 0 };
    let take = |bytes: usize| move || Ok(vec![1u8; bytes]);
    assert_eq!(half.measure(1000, take(1000)).1.peak, 1000);
    let refused = std::panic::catch_unwind(|| half.measure(1000, take(1001)).1);
    assert!(refused.is_err(), "{refused:?}");
}
