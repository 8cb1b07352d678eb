//! out = f(a), element by element, for each activation function f of this folder but ReLU, which is an op of its own.
//!
//! A [`Function`] has one file here and one snippet, `shaders/lib/activation_NAME.wgsl`, with WGSL functions
//! `activation` and `derivative`; whatever fuses an activation puts the same snippet before its source, as products do.

pub mod elu;
mod epilogue;
mod function;
pub mod gelu;
pub mod gelu_tanh;
pub mod leaky_relu;
mod op;
pub mod sigmoid;
pub mod silu;
pub mod softplus;
pub mod tanh;

pub use epilogue::{BiasThen, TimesDerivative};
pub use function::{ActivationParams, Function, SLOPE};
pub(in crate::ops) use function::{activation_cases, extreme_inputs, variant};
pub use op::{Activation, ActivationOp, Kernels};

/// Every function: the names that `--activation` and model files take follow from this list.
pub static ALL: &[Kernels] = &[
    Kernels::of::<leaky_relu::LeakyRelu>(),
    Kernels::of::<sigmoid::Sigmoid>(),
    Kernels::of::<tanh::Tanh>(),
    Kernels::of::<gelu::Gelu>(),
    Kernels::of::<gelu_tanh::GeluTanh>(),
    Kernels::of::<silu::Silu>(),
    Kernels::of::<softplus::Softplus>(),
    Kernels::of::<elu::Elu>(),
];

impl ActivationOp {
    /// The function of this kernel name, such as `tanh`; `slope` is [`ActivationParams::slope`].
    pub fn named(name: &str, slope: f32) -> Option<Self> {
        let kernels = ALL.iter().find(|kernels| kernels.activation.name() == name)?;
        Some(Self::new(kernels, slope))
    }
}
