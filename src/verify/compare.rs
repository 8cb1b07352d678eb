//! Compares a kernel's bindings after a run with the twin's values for the same inputs.

use super::case::{POISON, Prepared, f32_twin};
use crate::kernel::{AnyKernel, Array, Tolerance, ulp};
use crate::shader::{Access, Binding, Reflection};
use std::fmt;

/// Worst errors over many cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Cases compared.
    pub cases: usize,
    /// Relative to the hard bound, which every driver must meet.
    pub hard: f64,
    /// Relative to the expected error, which a good driver meets; 0 if the kernel defines none.
    pub soft: f64,
    /// In ULPs of the expected value, beyond flushed subnormals. `None` if a tolerance is not in ULPs, as for sums,
    /// whose terms may cancel.
    pub ulps: Option<f64>,
}

impl Default for Worst {
    /// No cases.
    fn default() -> Self {
        Self { cases: 0, hard: 0.0, soft: 0.0, ulps: Some(0.0) }
    }
}

impl Worst {
    /// Merges another result.
    pub fn include(&mut self, other: Worst) {
        self.cases += other.cases;
        self.hard = self.hard.max(other.hard);
        self.soft = self.soft.max(other.soft);
        self.ulps = self.ulps.zip(other.ulps).map(|(a, b)| a.max(b));
    }
}

/// The first wrong element of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The binding.
    pub binding: String,
    /// Index of the element.
    pub element: usize,
    /// Number of elements in the binding's shape.
    pub elements: usize,
    /// The error.
    pub wrong: Wrong,
}

/// What is wrong with an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    /// A value outside the tolerance.
    Number {
        /// The f64 twin's value.
        expected: f64,
        /// The shader's value.
        found: f64,
        /// The allowed difference.
        bound: f64,
    },
    /// A word that differs from the twin's.
    Word {
        /// The twin's value.
        expected: u32,
        /// The shader's value.
        found: u32,
    },
    /// An output element that still holds the poison.
    NeverWritten {
        /// The twin's value.
        expected: f64,
    },
    /// A changed input element or padding word.
    Overwritten {
        /// The previous value.
        expected: u32,
        /// The current value.
        found: u32,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { binding, element, elements, wrong } = self;
        write!(f, "`{binding}`: element {element} of {elements} ")?;
        match wrong {
            Wrong::Number { expected, found, bound } => write!(f, "is {found:e}, expected {expected:e} +- {bound:e}"),
            Wrong::Word { expected, found } => write!(f, "is {found}, expected {expected}"),
            Wrong::NeverWritten { expected } => write!(f, "was never written, expected {expected:e}"),
            Wrong::Overwritten { expected, found } => {
                write!(f, "must not change but is {found:#010x}, expected {expected:#010x}")
            }
        }
    }
}

/// Compares a kernel's bindings after a run, padding included, with the twin's values, within the kernel's tolerance.
///
/// # Errors
/// The first wrong element.
pub fn compare(reflection: &Reflection, prepared: &Prepared, after: &[Vec<u32>]) -> Result<Worst, Mismatch> {
    let mut worst = Worst { cases: 1, ..Worst::default() };
    for (index, binding) in reflection.bindings.iter().enumerate() {
        let (before, after, elements) = (&prepared.words[index], &after[index], prepared.lengths[index]);
        let fault = |element, wrong| Mismatch { binding: binding.name.clone(), element, elements, wrong };
        // Only elements of outputs may change.
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

/// Returns the first value outside its tolerance; merges the errors before it into `worst`.
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

/// A difference in ULPs, if the bound is at most a thousand of them plus flushed subnormals.
fn in_ulps(difference: f64, expected: f64, bound: f64) -> Option<f64> {
    let (unit, flushed) = (ulp(expected), f64::from(f32::MIN_POSITIVE));
    (bound <= 1e3 * unit + flushed).then(|| (difference - flushed).max(0.0) / unit)
}

/// Checks the f32 twin, the CPU training path, against the f64 twin, with the same tolerances.
///
/// # Errors
/// The first wrong element.
pub fn check_f32_twin(kernel: &dyn AnyKernel, reflection: &Reflection, prepared: &Prepared) -> Result<Worst, Mismatch> {
    compare(reflection, prepared, &f32_twin(kernel, reflection, prepared))
}
