//! f(x) = x where x > 0, else slope x: Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic
//! Models", ICML 2013, equation 2.

use super::function::{Function, TINY, UNIT};
use crate::kernel::{Real, ShaderFault};

/// Leaky ReLU. The derivative at exactly zero is the slope.
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu;

impl Function for LeakyRelu {
    const NAMES: [&'static str; 4] =
        ["leaky_relu", "leaky_relu_gradient", "matmul_nn_bias_leaky_relu", "matmul_nt_leaky_relu_gradient"];
    const PARTS: &'static [&'static str] = &[include_str!("../../../../shaders/lib/activation_leaky_relu.wgsl")];
    const FLOPS: [u64; 2] = [2, 1];
    const STEEPEST: f64 = 1.0;
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault { from: "slope * x, x, x > 0.0", to: "slope, x, x > 0.0" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ],
        &[ShaderFault { from: "x > 0.0", to: "x >= 0.0" }, ShaderFault { from: "gradient[i] *", to: "gradient[0] *" }],
        &[ShaderFault { from: "SLOPE = 0.01", to: "SLOPE = 0.011" }, ShaderFault { from: "x > 0.0", to: "x > 0.5" }],
        &[ShaderFault { from: "SLOPE = 0.01", to: "SLOPE = 0.011" }, ShaderFault { from: "x > 0.0", to: "x >= 0.0" }],
    ];

    fn activation<T: Real>(x: T, slope: T) -> T {
        if x > T::zero() { x } else { slope * x }
    }

    fn derivative<T: Real>(x: T, slope: T) -> T {
        if x > T::zero() { T::one() } else { slope }
    }

    /// The product is rounded.
    fn activation_error(x: f64, slope: f64) -> f64 {
        if x > 0.0 { TINY } else { UNIT * (slope * x).abs() + TINY }
    }

    /// Nothing is rounded.
    fn derivative_error(_x: f64, _slope: f64) -> f64 {
        TINY
    }
}
