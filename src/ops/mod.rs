//! The ops by family: a file and a shader of the same name each, and one line in the family's list of kernels.

pub mod batch;
pub mod check;
pub mod elementwise;
mod gradient_check;
pub mod lookup;
pub mod loss;
pub mod matmul;
pub mod norm;
mod support;
pub mod update;

pub use gradient_check::{Given, GradientCheck, GradientGraph, ROWS, Registered};
pub use support::{IGNORE_INDEX, counter, rate, word};

use crate::kernel::AnyKernel;

/// All kernels. Tests, benches and listings iterate over them, so one line in its family covers a new op everywhere.
pub fn registry() -> Vec<&'static dyn AnyKernel> {
    registered().into_iter().map(|kernel| kernel as &dyn AnyKernel).collect()
}

/// How gradients involving each kernel are checked, by kernel name.
pub fn gradient_checks() -> Vec<(&'static str, GradientCheck)> {
    registered().into_iter().map(|kernel| (kernel.name(), kernel.gradient_check())).collect()
}

fn registered() -> Vec<&'static dyn Registered> {
    let activations = elementwise::activation::ALL.iter().flat_map(elementwise::activation::Kernels::all);
    let families: [&[&dyn Registered]; 8] =
        [matmul::ALL, elementwise::ALL, lookup::ALL, norm::ALL, loss::ALL, batch::ALL, update::ALL, check::ALL];
    activations.chain(families.concat()).collect()
}
