#![no_main]
//! Fuzzes [`fuzzing::targets::gzip`], mostly with valid streams of invalid contents.

use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::io::Read;

fuzz_target!(|bytes: &[u8]| fuzzing::run(fuzzing::targets::gzip, bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut plain = Vec::new();
    // Output before an error is kept.
    let _ = MultiGzDecoder::new(&data[..size]).take(max_size as u64).read_to_end(&mut plain);
    if seed % 4 == 0 || plain.is_empty() {
        return fuzzer_mutate(data, size, max_size);
    }
    let length = plain.len();
    plain.resize(2 * length + 64, 0);
    let limit = plain.len();
    let length = fuzzer_mutate(&mut plain, length, limit);
    let mut gzipped = Vec::new();
    let level = Compression::new(seed / 4 % 10);
    let made = GzEncoder::new(&plain[..length], level).read_to_end(&mut gzipped);
    if made.is_err() || gzipped.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..gzipped.len()].copy_from_slice(&gzipped);
    gzipped.len()
});
