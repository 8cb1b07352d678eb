#![no_main]
//! Fuzzes [`fuzzing::targets::model_file`], mostly with valid safetensors that are not valid models.

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| fuzzing::run(fuzzing::targets::model_file, bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match mutated(&data[..size], seed) {
        Some(bytes) if bytes.len() <= max_size => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

/// The file with its layers, header or numbers changed, and lengths adjusted.
fn mutated(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (header, numbers) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (mut header, mut numbers) = (header.to_vec(), numbers.to_vec());
    match seed % 4 {
        0 => return None,
        1 => {
            let mut tree: Value = serde_json::from_slice(&header).ok()?;
            let layers = tree.get_mut("__metadata__")?.get_mut("shadegrad")?;
            let text = mutate(layers.as_str()?.as_bytes().to_vec());
            *layers = Value::String(String::from_utf8_lossy(&text).into_owned());
            header = serde_json::to_vec(&tree).ok()?;
        }
        2 => header = mutate(header),
        _ => numbers = mutate(numbers),
    }
    Some([&(header.len() as u64).to_le_bytes(), &header[..], &numbers].concat())
}

fn mutate(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len();
    bytes.resize(2 * length + 64, 0);
    let limit = bytes.len();
    let length = fuzzer_mutate(&mut bytes, length, limit);
    bytes.truncate(length);
    bytes
}
