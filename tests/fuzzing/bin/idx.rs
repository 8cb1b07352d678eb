#![no_main]
//! Fuzzes [`fuzzing::targets::idx`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run(fuzzing::targets::idx, bytes));
