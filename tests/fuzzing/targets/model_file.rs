//! Trained model files: safetensors with the layers in the metadata.

use super::{Limit, Usage};
use shadegrad::train::ModelFile;

/// Numbers take as much memory as in the file.
const NUMBERS: usize = 2;

/// Tensor and layer descriptions are text, parsed into trees of values.
const TEXT: Limit = Limit { factor: 1 << 10, constant: 64 << 10 };

/// Parses the bytes as a model file.
pub fn model_file(bytes: &[u8]) -> Usage {
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)).min(bytes.len() as u64) as usize;
    let limit = Limit { constant: TEXT.constant + TEXT.factor * header, factor: NUMBERS };
    let (outcome, usage) = limit.measure(bytes.len(), || ModelFile::decode(bytes));
    if let Ok(file) = outcome {
        let named = file.model.state().into_iter().zip(&file.weights);
        let tensors: Vec<_> = named.map(|((name, shape), values)| (name, shape, values.clone())).collect();
        let written = ModelFile::encode(&file.model, &tensors, &[]).expect("what was read can be written");
        let again = ModelFile::decode(&written).expect("what was written can be read");
        assert_eq!(again.weights, file.weights);
        assert_eq!(again.model.config(), file.model.config());
        assert_eq!(again.model.state(), file.model.state());
    }
    usage
}
