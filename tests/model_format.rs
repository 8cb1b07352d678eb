//! Model files of every format load forever: the same tensors, and the same scores.

mod command;

use command::Place;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use shadegrad::train::ModelFile;

struct Golden {
    bytes: &'static [u8],
    /// The SHA-256 of the file begins with these bytes: it is never to change.
    digest: [u8; 4],
    /// Of the test images of the embedded digits, by the program that wrote the file.
    loss: f64,
    accuracy: f64,
}

/// One of each format and of what they hold. A file of a new format joins them, written by the program of its day.
const GOLDEN: [Golden; 3] = [
    Golden {
        bytes: include_bytes!("golden/model_format_0.safetensors"),
        digest: [0x86, 0xad, 0x91, 0xef],
        loss: 0.45046684503555295,
        accuracy: 0.871,
    },
    Golden {
        bytes: include_bytes!("golden/model_format_0_norms.safetensors"),
        digest: [0x3b, 0x82, 0xa0, 0x04],
        loss: 0.6866901917457581,
        accuracy: 0.887,
    },
    Golden {
        bytes: include_bytes!("golden/model_format_1.safetensors"),
        digest: [0xf9, 0xa7, 0x22, 0xda],
        loss: 0.6866901917457581,
        accuracy: 0.887,
    },
];

#[test]
fn files_of_every_format_give_their_tensors_to_the_bit() {
    for golden in &GOLDEN {
        assert_eq!(Sha256::digest(golden.bytes)[..4], golden.digest, "the file has changed");
        let file = ModelFile::decode(golden.bytes).unwrap_or_else(|error| panic!("{error}"));
        let stored = SafeTensors::deserialize(golden.bytes).expect("it is one");
        let state = file.model.state();
        assert_eq!(state.len(), stored.len());
        for ((name, _), values) in state.iter().zip(&file.weights) {
            let view = stored.tensor(name).expect("the file has it");
            assert!(bytemuck::cast_slice::<f32, u8>(values) == view.data(), "`{name}` is read as it was written");
        }
    }
}

#[test]
fn models_of_every_format_score_as_they_did() {
    let place = Place::new();
    for golden in &GOLDEN {
        place.put("golden.safetensors", golden.bytes);
        let ran = place.run("eval --model golden.safetensors --data digits --device cpu --json");
        let scored = &ran.objects()[0];
        let loss = scored["test_loss"].as_f64().expect("a number");
        assert!((loss - golden.loss).abs() < 1e-6, "{scored}, expected a loss of {}", golden.loss);
        assert_eq!(scored["test_accuracy"], golden.accuracy);
    }
}

/// The golden file with another number of its format.
fn renumbered(format: &str) -> Vec<u8> {
    let file = SafeTensors::deserialize(GOLDEN[2].bytes).expect("it is one");
    let (_, header) = SafeTensors::read_metadata(GOLDEN[2].bytes).expect("it is one");
    let mut metadata = header.metadata().clone().expect("there is some");
    let text = metadata.get_mut("shadegrad").expect("it describes the layers");
    assert!(text.starts_with("format = 1\n"), "{text}");
    *text = text.replacen("format = 1", format, 1);
    safetensors::serialize(file.tensors(), Some(metadata)).expect("it can be written")
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    assert!(ModelFile::decode(&renumbered("format = 1")).is_ok());
    assert!(ModelFile::decode(&renumbered("format = 0")).is_ok());
    let error = ModelFile::decode(&renumbered("format = 2")).expect_err("it is newer");
    assert_eq!(error.cause(), "model file format 2, expected 1 or older");
    assert!(error.advice().contains("update"), "{error:?}");
    // Whatever else has changed with it.
    let error = ModelFile::decode(&renumbered("format = 2\nstream = []")).expect_err("it is newer");
    assert_eq!(error.cause(), "model file format 2, expected 1 or older");
    let error = ModelFile::decode(&renumbered("format = \"x\"")).expect_err("it is no number");
    assert!(error.cause().starts_with("its layers:1:10: `format`: expected a whole number"), "{error:?}");
}
