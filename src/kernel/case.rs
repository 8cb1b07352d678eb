//! Test cases of kernels: parameters, inputs, and how far an output may lie from the oracle.

use super::Array;
use crate::random::{Random, stream};
use std::collections::BTreeMap;

/// How much to test, and from which seed shapes are drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    full: bool,
    seed: u64,
}

impl Effort {
    /// What `cargo test` runs on every variant.
    pub const QUICK: Self = Self { full: false, seed: 0 };
    /// Everything: thousands of shapes a kernel.
    pub const FULL: Self = Self { full: true, seed: 0 };

    /// As much, on other shapes.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether everything is to be tested.
    pub fn is_full(self) -> bool {
        self.full
    }

    /// The seed of shapes, and of inputs.
    pub fn seed(self) -> u64 {
        self.seed
    }

    /// One number for the short form, another for the full one.
    pub fn count(self, quick: usize, full: usize) -> usize {
        if self.full { full } else { quick }
    }

    /// What to draw shapes from.
    pub fn random(self) -> Random {
        Random::new(self.seed, stream::SHAPES)
    }
}

/// What kind of input a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Standard normal numbers.
    Random,
    /// Whole numbers from -3 to 3, with which sums and products are exact in any order.
    Integers,
    /// Numbers that strain the formula; the op says which.
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

    /// The same kind of input with other parameters.
    pub fn map<Q>(&self, f: impl FnOnce(&P) -> Q) -> Case<Q> {
        Case { params: f(&self.params), inputs: self.inputs }
    }
}

/// Inputs and expected outputs of a case in f64, by binding name.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Before the kernel ran, widened exactly from f32.
    pub before: BTreeMap<String, Array<f64>>,
    /// What the f64 twin made of them.
    pub after: BTreeMap<String, Array<f64>>,
}

impl Values {
    /// The numbers that binding `name` held before.
    ///
    /// # Panics
    /// Where the kernel has no such binding of numbers: a fault in the op.
    pub fn before(&self, name: &str) -> &[f64] {
        numbers(&self.before, name)
    }

    /// The numbers that the f64 twin left in binding `name`.
    ///
    /// # Panics
    /// Where the kernel has no such binding of numbers: a fault in the op.
    pub fn after(&self, name: &str) -> &[f64] {
        numbers(&self.after, name)
    }

    /// The words that binding `name` held before.
    ///
    /// # Panics
    /// Where the kernel has no such binding of words: a fault in the op.
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

/// Absolute tolerances, one an element.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerance {
    /// What every driver must keep.
    pub hard: Vec<f64>,
    /// What a good driver keeps; exceeding it is a regression.
    pub soft: Option<Vec<f64>>,
}

impl Tolerance {
    /// Only a hard gate, from the expected value of each element.
    pub fn each(expected: &[f64], bound: impl Fn(f64) -> f64) -> Self {
        Self { hard: expected.iter().map(|&x| bound(x)).collect(), soft: None }
    }

    /// Every element is equal; either zero will do, and subnormal numbers may be flushed to it.
    pub fn exact(elements: usize) -> Self {
        Self { hard: vec![f64::from(f32::MIN_POSITIVE); elements], soft: None }
    }

    /// `ulps` units in the last place of the expected value, in f32.
    pub fn ulps(expected: &[f64], ulps: f64) -> Self {
        Self::each(expected, |x| ulps * ulp(x))
    }
}

/// The distance from `x` to the next f32 away from zero, at least the smallest normal's.
pub fn ulp(x: f64) -> f64 {
    let x = (x.abs() as f32).max(f32::MIN_POSITIVE);
    f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
}

/// Sizes around the powers of two at which tiles, vectors and workgroups begin and end.
pub fn edge_sizes() -> [u32; 13] {
    [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 129]
}
