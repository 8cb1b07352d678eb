//! Models as TOML files.

use super::{Limit, Usage};
use shadegrad::error::Result;
use shadegrad::nn::toml::TomlTable;
use shadegrad::nn::{Model, ModelConfig};

/// A tree of values is larger than its text: each table is a tree node with room for eleven entries, and a three-byte
/// key such as `a.b` creates one.
const TEXT: Limit = Limit { factor: 1 << 10, constant: 64 << 10 };

/// Parses the bytes as a model for MNIST.
pub fn blueprint(bytes: &[u8]) -> Usage {
    let Ok(text) = std::str::from_utf8(bytes) else { return Usage::default() };
    let (outcome, usage) = TEXT.measure(bytes.len(), || {
        let blueprint = read(text)?;
        Ok((blueprint.clone(), blueprint.build(784, 10)))
    });
    if let Ok((blueprint, model)) = outcome {
        let text = blueprint.to_toml();
        let again = read(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
        assert_eq!(again, blueprint);
        let built = again.build(784, 10);
        assert_eq!(described(model), described(built), "differs after writing and reading:\n{text}");
    }
    usage
}

fn read(text: &str) -> Result<ModelConfig> {
    let mut table = TomlTable::parse("model.toml", text)?;
    let blueprint = ModelConfig::read(&mut table)?;
    table.finish()?;
    Ok(blueprint)
}

/// The description of a model, if valid.
fn described(model: Result<Model>) -> Option<String> {
    let model = model.ok()?;
    let state = model.state();
    let begins = model.parameters() < 10_000 && model.running_state().len() < 100;
    let initial = begins.then(|| model.initial(1));
    if let Some(initial) = &initial {
        let sizes: Vec<_> = state.iter().map(|(.., shape)| shape.elements().ok()).collect();
        assert_eq!(sizes, initial.iter().map(|values| Some(values.len())).collect::<Vec<_>>());
    }
    Some(format!("{model} {} {state:?} {:?} {initial:?}", model.config(), model.widths()))
}
