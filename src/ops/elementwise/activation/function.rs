//! The trait of activation functions, and code shared by their kernels.

use crate::kernel::{Case, Effort, Real, ShaderFault, Variant};
use crate::ops::elementwise::softmax::kind;
use crate::ops::support::{LINEAR, bits, flat_sizes};
use crate::random::Random;

pub(super) use crate::ops::support::UNIT;

/// An activation function with its derivative, and the shader's error bounds for both.
///
/// `slope` is [`ActivationParams::slope`]. Both results are finite for x from -1e4 to 1e4.
pub trait Function: Sync + Send + std::fmt::Debug + 'static {
    /// The names of its [`Kernels`](super::Kernels), in their order.
    const NAMES: [&'static str; 4];

    /// WGSL that declares `activation` and `derivative`.
    const PARTS: &'static [&'static str];

    /// Floating-point operations of activation and derivative; an exponential counts as one.
    const FLOPS: [u64; 2];

    /// Upper bound of |f'(x)| for slopes up to 1.
    const STEEPEST: f64;

    /// [`Kernel::faults`](crate::kernel::Kernel::faults) of its [`Kernels`](super::Kernels), in their order.
    const FAULTS: [&'static [ShaderFault]; 4];

    /// f(x).
    fn activation<T: Real>(x: T, slope: T) -> T;

    /// f'(x).
    fn derivative<T: Real>(x: T, slope: T) -> T;

    /// Absolute error bound of the shader's `activation`.
    fn activation_error(x: f64, slope: f64) -> f64;

    /// Absolute error bound of the shader's `derivative`.
    fn derivative_error(x: f64, slope: f64) -> f64;
}

crate::params! {
    /// Parameters of [`ActivationKernel`](super::ActivationKernel) and its gradient.
    pub struct ActivationParams {
        /// Elements.
        pub n: u32,
        /// The slope of [`leaky_relu`](super::leaky_relu) for negative numbers; the other functions have none and ignore it.
        pub slope: f32,
    }
}

crate::shared! {
    /// [`SLOPE`] for shaders.
    pub(in crate::ops) SLOPES:
    /// Slope of leaky ReLU if it is not a parameter; other functions have none.
    pub SLOPE: f32 = 0.01;
}

/// The smallest normal number: the error of flushing a subnormal to zero.
pub(super) const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Relative error of exp(x): 3 + 2 |x| units (WGSL, "Floating Point Accuracy"), plus one observed on drivers.
pub(super) fn exp_error(x: f64) -> f64 {
    (4.0 + 2.0 * x.abs()) * UNIT
}

/// The shader source of a function.
pub(in crate::ops) fn variant<F: Function>(main: &'static str) -> Variant {
    Variant::plain(&[&[LINEAR], F::PARTS, &[main]].concat())
}

/// Sizes with every kind of input, at the default slope.
pub(in crate::ops) fn activation_cases(effort: Effort) -> Vec<Case<ActivationParams>> {
    let case = |(i, n)| Case::new(ActivationParams { n, slope: SLOPE }, kind(i));
    flat_sizes(effort).into_iter().enumerate().map(case).collect()
}

/// Values of every magnitude up to 1e4, and those where formulas change or saturate.
pub(in crate::ops) fn extreme_inputs(elements: usize, random: &mut Random) -> Vec<u32> {
    let special = [0.0, 1e4, -1e4, 0.5, -0.5, 1.0, -1.0, 17.0, -17.0, 88.0, -88.0, 104.0, -104.0];
    let mut number = |i: usize| match i % 8 {
        0 => special[i / 8 % special.len()],
        1 | 2 => random.between(-20.0, 20.0),
        _ => random.normal().signum() as f32 * 10f32.powf(random.between(-6.0, 4.0)),
    };
    bits((0..elements).map(&mut number))
}
