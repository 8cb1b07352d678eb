//! out = f(a), elementwise, for each activation function f in this folder; ReLU is a separate op.
//!
//! A [`Function`] has one file here and one snippet, `shaders/lib/activation_NAME.wgsl`, with WGSL functions
//! `activation` and `derivative`; products with a fused activation prepend the same snippet.

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
pub use op::{ActivationKernel, ActivationOp, Kernels};

/// All functions: the names accepted by `--activation` and model files come from this list.
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
    /// The function with this kernel name, such as `tanh`; `slope` is [`ActivationParams::slope`].
    pub fn named(name: &str, slope: f32) -> Option<Self> {
        let kernels = ALL.iter().find(|kernels| kernels.activation.name() == name)?;
        Some(Self::new(kernels, slope))
    }
}
