//! Activation functions of models.

use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Value, mistake};
use crate::ops::elementwise::activation::{ALL, ActivationOp, SLOPE};
use crate::ops::elementwise::relu::ReluOp;
use std::fmt;
use std::str::FromStr;

/// An activation function, by its name: ReLU, or one of [`ALL`]. Formulas and sources are with the kernels, in
/// `src/ops/elementwise`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation(&'static str);

impl Default for Activation {
    fn default() -> Self {
        Self::RELU
    }
}

impl Activation {
    /// max(x, 0).
    pub const RELU: Self = Self("relu");

    /// All activation functions.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::RELU).chain(ALL.iter().map(|kernels| Self(kernels.activation.name())))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// Applies the function to each element.
    ///
    /// # Errors
    /// Where there is no kernel of its name, which [`Self::all`] makes sure of.
    pub fn apply(self, graph: &mut Graph, x: Value) -> Result<Value> {
        if self == Self::RELU {
            return graph.apply(ReluOp, &[x]);
        }
        let op = ActivationOp::named(self.0, SLOPE);
        graph.apply(op.ok_or_else(|| mistake(format!("no kernel is named {self}")))?, &[x])
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::all().find(|function| function.0 == text).ok_or_else(|| {
            let known: Vec<_> = Self::all().map(Self::name).collect();
            let advice = format!("choose one of {}", known.join(", "));
            Error::new(Kind::Usage, format!("there is no activation {text:?}"), advice)
        })
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
        for activation in Activation::all() {
            let mut graph = Graph::default();
            let x = graph.leaf(&memory, slot);
            activation.apply(&mut graph, x).unwrap_or_else(|error| panic!("{activation}: {error}"));
            assert_eq!(activation.name().parse(), Ok(activation));
        }
        assert!("rolu".parse::<Activation>().is_err_and(|error| error.advice().contains("leaky_relu")));
    }
}
