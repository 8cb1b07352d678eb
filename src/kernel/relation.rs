//! Metamorphic relations: how a kernel's outputs change with its inputs.

/// A bitwise relation between inputs and outputs that holds for all inputs. Verification checks every variant against
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Entries along the dimension given by this parameter (rows, columns or elements) are computed independently:
    /// permuting or selecting them does the same to the outputs.
    Apart(&'static str),
    /// These outputs are proportional to these inputs taken together, and the other outputs do not depend on them.
    /// Exact for powers of two.
    Proportional {
        /// Float inputs.
        of: &'static [&'static str],
        /// Float outputs.
        outputs: &'static [&'static str],
    },
    /// Adding a constant to all values of this binding changes no output, provided the sums are exact.
    Shifted(&'static str),
}
