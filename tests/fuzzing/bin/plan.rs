#![no_main]
//! Fuzzes [`fuzzing::targets::plan`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::run(fuzzing::targets::plan, bytes));
