#![no_main]
//! Fuzzes [`fuzzing::targets::blueprint`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run(fuzzing::targets::blueprint, bytes));
