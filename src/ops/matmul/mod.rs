//! out\[m, n] = A B, with A and B each optionally stored transposed, and an epilogue fused into the store.

mod epilogue;
mod family;
mod graph;
mod kernel;
mod params;
mod update;

pub(in crate::ops) use epilogue::sum_error;
pub use epilogue::{Bias, BiasRelu, ColumnSums, Epilogue, Plain, ReluMask};
pub use graph::{MatmulOp, product, with_epilogue};
pub use kernel::{MatmulKernel, NN, NN_BIAS, NN_BIAS_RELU, NT, NT_RELU_MASK, Product, TN, TN_COLUMN_SUMS};
pub use params::{MatmulParams, Operands};
pub use update::{TN_ADAM, TnAdamKernel, TnAdamParams, gradients_of_layer};

use super::Registered;

/// All products, except those that [`activation`](crate::ops::elementwise::activation) adds.
pub static ALL: &[&dyn Registered] =
    &[&NN, &TN, &NT, &NN_BIAS, &NN_BIAS_RELU, &NT_RELU_MASK, &TN_COLUMN_SUMS, &TN_ADAM];
