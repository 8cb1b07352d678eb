//! The flags that say what a model is made of.

use crate::nn::{Activation, Initialiser, Objective, Recipe};

/// Widths and recipe of a perceptron.
#[derive(Debug, clap::Args)]
pub(super) struct ModelFlags {
    /// Widths of the hidden layers, from the input on, such as 512,256
    #[arg(long, default_value = "1024", value_delimiter = ',', value_name = "WIDTH[,WIDTH...]")]
    pub(super) hidden: Vec<usize>,
    /// What follows each hidden layer: relu, leaky_relu, sigmoid, tanh, gelu, gelu_tanh, silu or softplus
    #[arg(long, default_value = "relu", value_name = "FUNCTION")]
    activation: Activation,
    /// Share of each hidden layer's outputs that training drops
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", allow_negative_numbers = true)]
    dropout: f64,
    /// What training makes small: cross-entropy, mse, softmax-mse, l1, huber or binary-cross-entropy
    #[arg(long, default_value = "cross-entropy", value_name = "LOSS")]
    loss: Objective,
    /// How weights begin: he, he-uniform, xavier, xavier-uniform, lecun, truncated-normal or zeros
    #[arg(long, default_value = "he", value_name = "INITIALISER")]
    init: Initialiser,
}

impl ModelFlags {
    pub(super) fn recipe(&self) -> Recipe {
        let Self { activation, dropout, loss, init, .. } = *self;
        Recipe { activation, dropout, objective: loss, initialiser: init }
    }
}
