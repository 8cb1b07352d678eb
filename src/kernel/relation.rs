//! What is known of a kernel's outputs without computing them: how they change when its inputs do.

/// How outputs change with inputs, bit by bit, whatever the inputs are. Verification holds every variant to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// What this field of the parameters counts is computed alike, and each by itself: rows, columns or elements. In
    /// another order it gives the same outputs in that order, and some of it gives some of them.
    Apart(&'static str),
    /// These outputs are proportional to these inputs together, and the other outputs do not depend on them. By a power
    /// of two, that is exact.
    Proportional {
        /// Bindings of numbers.
        of: &'static [&'static str],
        /// Bindings of numbers.
        outputs: &'static [&'static str],
    },
    /// No output changes where all numbers of this binding grow by as much, if no sum of the two is rounded.
    Shifted(&'static str),
}
