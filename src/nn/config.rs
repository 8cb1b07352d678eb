//! Model configuration, independent of the data: from flags, a file, or code.

use super::layer::{Activate, Dropout, Layer, Linear, Placed, read_all};
use super::toml::TomlTable;
use super::{Activation, Initializer, LossConfig};
use crate::error::Result;
use std::fmt;
use std::sync::Arc;

/// Layers in order, the loss, and the initializer.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// The layers in order. Linear layers without a width, usually the last one, get as many outputs as the task needs.
    pub layers: Vec<Placed>,
    /// The loss function with its settings.
    pub loss: LossConfig,
    /// The default initializer.
    pub initializer: Initializer,
}

/// Configuration of an MLP besides its widths. The default is the classic one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MlpConfig {
    /// Activation after each hidden layer.
    pub activation: Activation,
    /// Dropout probability of each hidden layer's outputs, 0 to <1.
    pub dropout: f64,
    /// The loss function with its settings.
    pub loss: LossConfig,
    /// The initializer of weights.
    pub initializer: Initializer,
}

impl ModelConfig {
    /// These layers, with cross-entropy and He initialization.
    pub fn new(layers: impl IntoIterator<Item = Arc<dyn Layer>>) -> Self {
        let placed = |(i, layer)| Placed { layer, place: format!("layer {}", i + 1) };
        let layers = layers.into_iter().enumerate().map(placed).collect();
        Self { layers, loss: LossConfig::default(), initializer: Initializer::default() }
    }

    /// An MLP: hidden linear layers with these widths, each followed by an activation and in training by dropout, and a
    /// final linear layer for the classes.
    pub fn mlp(hidden: &[usize], recipe: &MlpConfig) -> Self {
        let mut layers: Vec<Arc<dyn Layer>> = Vec::new();
        for &width in hidden {
            layers.push(Arc::new(Linear::new(Some(width))));
            layers.push(Arc::new(Activate(recipe.activation)));
            if recipe.dropout != 0.0 {
                layers.push(Arc::new(Dropout { probability: recipe.dropout }));
            }
        }
        layers.push(Arc::new(Linear::new(None)));
        let MlpConfig { loss, initializer, .. } = recipe.clone();
        Self { loss, initializer, ..Self::new(layers) }
    }

    /// Takes a model's keys from a file's table; other keys are left in it.
    ///
    /// # Errors
    /// If a key is missing or wrong; reports file, line, column, expected and found.
    pub fn read(table: &mut TomlTable<'_>) -> Result<Self> {
        let smoothing =
            table.take_valid("label_smoothing", "a number from 0 to below 1", |s| (0.0..1.0).contains(s))?;
        let loss = LossConfig {
            loss: table.take_named("loss")?.unwrap_or(LossConfig::default().loss),
            label_smoothing: smoothing.unwrap_or_default(),
            class_weights: table.take_named("class_weights")?.unwrap_or_default(),
        };
        loss.validate().map_err(|error| table.refuse(error.cause()))?;
        let initializer = table.take_named("initialiser")?.unwrap_or_default();
        let layers = read_all(table)?;
        if layers.is_empty() {
            return Err(table.refuse("`layers` is empty: expected a linear layer at least"));
        }
        Ok(Self { layers, loss, initializer })
    }

    /// The model in TOML, as in a model file.
    pub fn to_toml(&self) -> String {
        let Self { layers, loss, initializer } = self;
        let mut text = format!("loss = \"{}\"\n", loss.loss);
        if loss.label_smoothing > 0.0 {
            text += &format!("label_smoothing = {:?}\n", loss.label_smoothing);
        }
        if loss.class_weights != Default::default() {
            text += &format!("class_weights = \"{}\"\n", loss.class_weights);
        }
        text += &format!("initialiser = \"{initializer}\"\nlayers = [\n");
        layers.iter().for_each(|layer| text += &format!("    {},\n", layer.to_toml()));
        text + "]\n"
    }

    /// Checks everything that does not depend on the data.
    ///
    /// # Errors
    /// If a layer or setting is invalid; names the first, and valid values.
    pub fn validate(&self) -> Result<()> {
        self.loss.validate()?;
        self.layers.iter().try_for_each(Placed::validate)
    }
}

/// Compares their TOML.
impl PartialEq for ModelConfig {
    fn eq(&self, other: &Self) -> bool {
        self.to_toml() == other.to_toml()
    }
}

/// The layers, then all settings that are not defaults, on one line.
impl fmt::Display for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = |(key, value): &(&str, String)| match value.parse::<f64>() {
            Ok(_) => format!(" {value}"),
            Err(_) => format!(" {key}={value}"),
        };
        let layer = |Placed { layer, .. }: &Placed| {
            format!("{}{}", layer.kind(), layer.settings().iter().map(setting).collect::<String>())
        };
        let layers: Vec<_> = self.layers.iter().map(layer).collect();
        write!(f, "{}; loss {}; {} init", layers.join(", "), self.loss, self.initializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const FILE: &str = r#"
label_smoothing = 0.1
class_weights = "1,2,0.5"
initialiser = "xavier"
layers = [
    { kind = "reshape", row = [3, 4] },
    { kind = "flatten" },
    { kind = "linear", outputs = 8, bias = false, initialiser = "zeros" },
    { kind = "batch_norm" },
    { kind = "relu" },
    { kind = "residual", layers = [{ kind = "layer_norm" }, { kind = "linear", outputs = 8 }, { kind = "gelu_tanh" }] },
    { kind = "dropout", probability = 0.25 },
    { kind = "linear" },
]
"#;

    fn read(text: &str) -> Result<ModelConfig> {
        let mut table = TomlTable::parse("model.toml", text)?;
        let config = ModelConfig::read(&mut table)?;
        table.finish()?;
        Ok(config)
    }

    #[test]
    fn models_of_every_kind_of_layer_are_read_and_written() {
        let config = read(FILE).expect("it is valid");
        assert_eq!(read(&config.to_toml()).expect("what is written can be read"), config);
        let model = config.build(12, 3).expect("the shapes go together");
        assert_eq!(model.to_string(), "12-8-3");
        let names: Vec<_> = model.state().into_iter().map(|(name, _)| name).collect();
        let expected = [
            "fc1.weight",
            "bn1.weight",
            "bn1.bias",
            "ln1.weight",
            "ln1.bias",
            "fc2.weight",
            "fc2.bias",
            "fc3.weight",
            "fc3.bias",
            "bn1.running_mean",
            "bn1.running_var",
            "normalisation",
        ];
        assert_eq!(names, expected);
        let begun = model.initial(1);
        assert!(begun[0].iter().all(|&weight| weight == 0.0) && begun[5].iter().any(|&weight| weight != 0.0));
        assert!([1, 3, 10].iter().all(|&tensor| begun[tensor] == [1.0; 8]), "norms and variances begin as 1");
        let mlp = ModelConfig::mlp(&[5], &MlpConfig { dropout: 0.1, ..MlpConfig::default() });
        assert_eq!(read(&mlp.to_toml()).expect("what is written can be read"), mlp);
    }

    #[test]
    fn mistakes_are_told_with_line_and_column_expected_and_found() {
        for (text, place, words) in [
            ("layers = [", "1:11", "unclosed array"),
            ("layers = []", "1:1", "a linear layer at least"),
            ("loss = \"mse\"", "1:1", "`layers` is missing: expected a list of tables"),
            ("layers = 3", "1:10", "expected a list of tables, found integer"),
            ("layers = [3]", "1:11", "expected a table, found integer"),
            (
                "layers = [{ kind = \"linear\" }]\nlayer = 1",
                "2:1",
                "unknown key `layer`, expected one of label_smoothing",
            ),
            ("loss = \"mse\"\nloss = \"l1\"", "2:1", "duplicate key"),
            ("loss = \"msa\"", "1:8", "unknown loss \"msa\": choose one of cross-entropy, mse"),
            ("loss = 1", "1:8", "`loss`: expected a string, found 1 (integer)"),
            ("\nlabel_smoothing = 1.0", "2:19", "expected a number from 0 to below 1, found 1.0 (float)"),
            ("loss = \"mse\"\nlabel_smoothing = 0.5", "1:1", "label smoothing or class weights with the loss mse"),
            ("layers = [{ outputs = 3 }]", "1:11", "`kind` is missing: expected one of linear, batch_norm"),
            ("layers = [\n  { kind = \"linnear\" }]", "2:3", "dropout, residual, flatten, reshape, relu"),
            ("layers = [{ kind = \"linear\", outputs = -3 }]", "1:40", "a whole number above 0, found -3 (integer)"),
            (
                "layers = [{ kind = \"linear\", outputs = \"3\" }]",
                "1:40",
                "a whole number above 0, found \"3\" (string)",
            ),
            (
                "layers = [{ kind = \"linear\", output = 3 }]",
                "1:30",
                "unknown key `output`, expected one of kind, outputs",
            ),
            ("layers = [{ kind = \"relu\", slope = 3 }]", "1:28", "unknown key `slope`, expected one of kind"),
            ("[[layers]]\nkind = \"dropout\"", "1:1", "`probability` is missing: expected a number from 0 to below 1"),
            ("layers = [{ kind = \"dropout\", probability = 1 }]", "1:45", "found 1 (integer)"),
            (
                "layers = [{ kind = \"reshape\", row = [0] }]",
                "1:37",
                "a list of whole numbers above 0, found [0] (array)",
            ),
        ] {
            let error = read(text).expect_err(text);
            let start = format!("model.toml:{place}: ");
            assert!(error.cause().starts_with(&start), "{text}: {}, expected at {place}", error.cause());
            assert!(error.cause().contains(words), "{text}: {}, expected {words}", error.cause());
            assert_eq!(error.kind(), Kind::Model);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_told_with_the_layer() {
        for (layers, words) in [
            ("{ kind = \"reshape\", row = [2, 5] }", "1:11: reshape: rows of [2, 5] out of rows of [12]"),
            (
                "{ kind = \"reshape\", row = [3, 4] }, { kind = \"linear\" }",
                "1:47: linear: rows of shape [3, 4], expected one",
            ),
            ("{ kind = \"linear\", outputs = 4 }", "1:11: the last layer makes rows of [4], expected [3]"),
            (
                "{ kind = \"residual\", layers = [{ kind = \"linear\", outputs = 5 }] }",
                "1:11: residual: its layers make rows of [5] out of rows of [12]",
            ),
            (
                "{ kind = \"residual\", layers = [{ kind = \"reshape\", row = [5] }] }",
                "1:11: residual: model.toml:1:42: reshape: rows of [5]",
            ),
        ] {
            let config = read(&format!("layers = [{layers}]")).expect("as TOML it is sound");
            let error = config.build(12, 3).expect_err(layers);
            assert!(error.cause().starts_with(&format!("model.toml:{words}")), "{layers}: {}", error.cause());
        }
    }
}
