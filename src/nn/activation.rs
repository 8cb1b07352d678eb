//! What stands between linear layers.

use super::names::named;
use crate::error::Result;
use crate::graph::{Graph, Value, mistake};
use crate::ops::elementwise::activation::{ActivationOp, SLOPE};
use crate::ops::elementwise::relu::Relu;

/// An activation function. Formulas and sources are with the kernels, in `src/ops/elementwise/activation` and `src/ops/elementwise/relu.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// x, or 0.01 x where x is negative.
    LeakyRelu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// x times the normal distribution function of x.
    Gelu,
    /// GELU by its approximation with tanh.
    GeluTanh,
    /// x times the sigmoid of x.
    Silu,
    /// log(1 + exp(x)).
    Softplus,
}

const NAMES: [(&str, Activation); 8] = [
    ("relu", Activation::Relu),
    ("leaky_relu", Activation::LeakyRelu),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
    ("gelu", Activation::Gelu),
    ("gelu_tanh", Activation::GeluTanh),
    ("silu", Activation::Silu),
    ("softplus", Activation::Softplus),
];

named!(Activation, "activation", NAMES);

impl Activation {
    /// Every activation function.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.into_iter().map(|(_, function)| function)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        super::names::name_of(&NAMES, &self)
    }

    /// Applies the function to each element.
    ///
    /// # Errors
    /// Where there is no kernel of its name: a fault in this file, which its test meets.
    pub fn apply(self, graph: &mut Graph, x: Value) -> Result<Value> {
        if self == Self::Relu {
            return graph.apply(Relu, &[x]);
        }
        let op = ActivationOp::named(self.name(), SLOPE);
        graph.apply(op.ok_or_else(|| mistake(format!("no kernel is called {self}")))?, &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Memory, Role};
    use crate::shape::DType;

    #[test]
    fn every_activation_has_a_kernel() {
        let mut memory = Memory::default();
        let slot = memory.array("x", Role::Data, DType::F32, [2, 3]).expect("it is small");
        for (name, activation) in NAMES {
            let mut graph = Graph::default();
            let x = graph.leaf(&memory, slot);
            activation.apply(&mut graph, x).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(name.parse(), Ok(activation));
        }
        assert!("rolu".parse::<Activation>().is_err_and(|error| error.advice().contains("leaky_relu")));
    }
}
