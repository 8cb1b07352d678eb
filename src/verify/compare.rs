//! Comparison of what a kernel left in its bindings with what its twin makes of the same inputs.

use super::case::{POISON, Prepared, f32_twin};
use crate::kernel::{AnyKernel, Array, Tolerance, ulp};
use crate::shader::{Access, Binding, Reflection};
use std::fmt;

/// The worst errors of many cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Cases compared.
    pub cases: usize,
    /// As a share of the gate that every driver must keep.
    pub hard: f64,
    /// As a share of the gate that a good driver keeps; 0 where the kernel has none.
    pub soft: f64,
    /// In units of the last place of the expected number, beyond what flushing subnormal numbers costs. `None` where a
    /// tolerance is not of that kind, as for sums, whose terms may cancel.
    pub ulps: Option<f64>,
}

impl Default for Worst {
    /// Of no cases.
    fn default() -> Self {
        Self { cases: 0, hard: 0.0, soft: 0.0, ulps: Some(0.0) }
    }
}

impl Worst {
    /// Takes in the errors of another.
    pub fn include(&mut self, other: Worst) {
        self.cases += other.cases;
        self.hard = self.hard.max(other.hard);
        self.soft = self.soft.max(other.soft);
        self.ulps = self.ulps.zip(other.ulps).map(|(a, b)| a.max(b));
    }
}

/// The first wrong element of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The binding it is in.
    pub binding: String,
    /// Its index there.
    pub element: usize,
    /// How many elements the binding's shape has.
    pub elements: usize,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    /// A number too far from the twin's.
    Number {
        /// The f64 twin's.
        expected: f64,
        /// The shader's.
        found: f64,
        /// How far they may lie apart.
        bound: f64,
    },
    /// Another word than the twin's.
    Word {
        /// The twin's.
        expected: u32,
        /// The shader's.
        found: u32,
    },
    /// An element of an output that still holds the poison.
    NeverWritten {
        /// What the twin writes there.
        expected: f64,
    },
    /// An element of an input, or a word behind the end of a binding, that was changed.
    Overwritten {
        /// What it held.
        expected: u32,
        /// What it holds.
        found: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { binding, element, elements, wrong } = self;
        write!(f, "`{binding}`: element {element} of {elements} ")?;
        match wrong {
            Wrong::Number { expected, found, bound } => write!(f, "is {found:e}, expected {expected:e} +- {bound:e}"),
            Wrong::Word { expected, found } => write!(f, "is {found}, expected {expected}"),
            Wrong::NeverWritten { expected } => write!(f, "was never written, expected {expected:e}"),
            Wrong::Overwritten { expected, found } => {
                write!(f, "must not change and was overwritten: it is {found:#010x}, expected {expected:#010x}")
            }
        }
    }
}

/// Compares what a kernel left in its bindings, tails included, with the twin's values, by the kernel's tolerance.
///
/// # Errors
/// The first element that is wrong.
pub fn compare(reflection: &Reflection, prepared: &Prepared, after: &[Vec<u32>]) -> Result<Worst, Fault> {
    let mut worst = Worst { cases: 1, ..Worst::default() };
    for (index, binding) in reflection.bindings.iter().enumerate() {
        let (before, after, elements) = (&prepared.words[index], &after[index], prepared.lengths[index]);
        let fault = |element, wrong| Fault { binding: binding.name.clone(), element, elements, wrong };
        // Nothing but the elements of outputs may change.
        let fixed = if binding.access == Access::Read { 0 } else { elements };
        if let Some(i) = (fixed..before.len()).find(|&i| before[i] != after[i]) {
            return Err(fault(i, Wrong::Overwritten { expected: before[i], found: after[i] }));
        }
        let wrong = match &prepared.values.after[&binding.name] {
            _ if binding.access == Access::Read => None,
            Array::Real(expected) => numbers(binding, expected, &prepared.tolerances[index], after, &mut worst),
            Array::Word(expected) => {
                let different = |i: &usize| after[*i] != expected[*i];
                (0..elements).find(different).map(|i| (i, Wrong::Word { expected: expected[i], found: after[i] }))
            }
        };
        if let Some((element, wrong)) = wrong {
            return Err(fault(element, wrong));
        }
    }
    Ok(worst)
}

/// The first number that lies too far from the expected one; takes in the errors of those before it.
fn numbers(
    binding: &Binding,
    expected: &[f64],
    tolerance: &Tolerance,
    after: &[u32],
    worst: &mut Worst,
) -> Option<(usize, Wrong)> {
    for (i, &expected) in expected.iter().enumerate() {
        if binding.access == Access::Write && after[i] == POISON {
            return Some((i, Wrong::NeverWritten { expected }));
        }
        let (found, bound) = (f64::from(f32::from_bits(after[i])), tolerance.hard[i]);
        let difference = (found - expected).abs();
        let agree = difference <= bound || (expected.is_nan() && found.is_nan());
        if !agree {
            return Some((i, Wrong::Number { expected, found, bound }));
        }
        if !difference.is_nan() {
            worst.hard = worst.hard.max(difference / bound);
            worst.soft = worst.soft.max(tolerance.soft.as_ref().map_or(0.0, |soft| difference / soft[i]));
            worst.ulps = worst.ulps.zip(in_ulps(difference, expected, bound)).map(|(a, b)| a.max(b));
        }
    }
    None
}

/// A difference in units of the last place, where the bound is at most a thousand of them and what is flushed to zero.
fn in_ulps(difference: f64, expected: f64, bound: f64) -> Option<f64> {
    let (unit, flushed) = (ulp(expected), f64::from(f32::MIN_POSITIVE));
    (bound <= 1e3 * unit + flushed).then(|| (difference - flushed).max(0.0) / unit)
}

/// Holds the f32 twin, with which a machine without a GPU trains, to the f64 twin by the same tolerances.
///
/// # Errors
/// The first element that is wrong.
pub fn check_f32_twin(kernel: &dyn AnyKernel, reflection: &Reflection, prepared: &Prepared) -> Result<Worst, Fault> {
    compare(reflection, prepared, &f32_twin(kernel, reflection, prepared))
}
