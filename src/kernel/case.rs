//! Test cases of kernels: parameters, inputs and tolerances.

use super::Array;
use crate::random::{Random, stream};
use std::collections::BTreeMap;

/// How much to test, and the seed for random shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    full: bool,
    seed: u64,
}

impl Effort {
    /// What `cargo test` runs for every variant.
    pub const QUICK: Self = Self { full: false, seed: 0 };
    /// Everything: thousands of shapes per kernel.
    pub const FULL: Self = Self { full: true, seed: 0 };

    /// The same amount with other shapes.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether this is the full run.
    pub fn is_full(self) -> bool {
        self.full
    }

    /// The seed of shapes and inputs.
    pub fn seed(self) -> u64 {
        self.seed
    }

    /// `quick` or `full`, depending on the effort.
    pub fn count(self, quick: usize, full: usize) -> usize {
        if self.full { full } else { quick }
    }

    /// A generator for shapes.
    pub fn random(self) -> Random {
        Random::new(self.seed, stream::SHAPES)
    }
}

/// The kind of a case's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Standard normal values.
    Random,
    /// Integers from -3 to 3, for which sums and products are exact in any order.
    Integers,
    /// Values that stress the formula; defined by the op.
    Extreme,
}

/// Parameters and a kind of input.
#[derive(Clone, Debug, PartialEq)]
pub struct Case<P> {
    /// The kernel's parameters.
    pub params: P,
    /// The kind of input.
    pub inputs: Inputs,
}

impl<P> Case<P> {
    /// A case.
    pub fn new(params: P, inputs: Inputs) -> Self {
        Self { params, inputs }
    }

    /// The same kind of inputs with other parameters.
    pub fn map<Q>(&self, f: impl FnOnce(&P) -> Q) -> Case<Q> {
        Case { params: f(&self.params), inputs: self.inputs }
    }
}

/// Inputs and expected outputs of a case in f64, by binding name.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Before the run, widened exactly from f32.
    pub before: BTreeMap<String, Array<f64>>,
    /// After the f64 twin ran.
    pub after: BTreeMap<String, Array<f64>>,
}

impl Values {
    /// The values of binding `name` before the run.
    ///
    /// # Panics
    /// If the kernel has no such float binding: a bug in the op.
    pub fn before(&self, name: &str) -> &[f64] {
        numbers(&self.before, name)
    }

    /// The values of binding `name` after the f64 twin ran.
    ///
    /// # Panics
    /// If the kernel has no such float binding: a bug in the op.
    pub fn after(&self, name: &str) -> &[f64] {
        numbers(&self.after, name)
    }

    /// The words of binding `name` before the run.
    ///
    /// # Panics
    /// If the kernel has no such integer binding: a bug in the op.
    pub fn words(&self, name: &str) -> &[u32] {
        match self.before.get(name) {
            Some(Array::Word(words)) => words,
            _ => panic!("no binding `{name}` of words"),
        }
    }
}

fn numbers<'a>(arrays: &'a BTreeMap<String, Array<f64>>, name: &str) -> &'a [f64] {
    match arrays.get(name) {
        Some(Array::Real(numbers)) => numbers,
        _ => panic!("no binding `{name}` of numbers"),
    }
}

/// Absolute tolerances, one per element.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerance {
    /// The bound every driver must meet.
    pub hard: Vec<f64>,
    /// The error expected of a good driver; exceeding it is a regression.
    pub soft: Option<Vec<f64>>,
}

impl Tolerance {
    /// Only a hard bound, computed from each expected value.
    pub fn each(expected: &[f64], bound: impl Fn(f64) -> f64) -> Self {
        Self { hard: expected.iter().map(|&x| bound(x)).collect(), soft: None }
    }

    /// Exact equality, except for the sign of zero and flushed subnormals.
    pub fn exact(elements: usize) -> Self {
        Self { hard: vec![f64::from(f32::MIN_POSITIVE); elements], soft: None }
    }

    /// `ulps` f32 ULPs of the expected value.
    pub fn ulps(expected: &[f64], ulps: f64) -> Self {
        Self::each(expected, |x| ulps * ulp(x))
    }
}

/// Distance from `x` to the next f32 away from zero, at least that of the smallest normal number.
pub fn ulp(x: f64) -> f64 {
    let x = (x.abs() as f32).max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
}

/// Sizes around the powers of two, where tiles, vectors and workgroups begin and end.
pub fn edge_sizes() -> [u32; 13] {
    [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 129]
}
