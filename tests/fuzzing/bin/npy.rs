#![no_main]
//! Fuzzes [`fuzzing::targets::npy`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run(fuzzing::targets::npy, bytes));
