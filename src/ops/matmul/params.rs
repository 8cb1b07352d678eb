//! The shape of a product, and how its factors are stored.

crate::params! {
    /// Parameters of [`MatmulKernel`](super::MatmulKernel).
    pub struct MatmulParams {
        /// Rows of the product.
        pub m: u32,
        /// Length of the sums.
        pub k: u32,
        /// Columns of the product.
        pub n: u32,
    }
}

/// How the factors are stored: N as is, T transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// `a [m, k]`, `b [k, n]`: the forward pass.
    NN,
    /// `a [k, m]`, `b [k, n]`: the gradient of a weight.
    TN,
    /// `a [m, k]`, `b [n, k]`: the gradient of an input.
    NT,
}
