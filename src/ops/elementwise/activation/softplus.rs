//! f(x) = log(1 + exp(x)), f'(x) = sigmoid(x): Dugas et al., "Incorporating Second-Order Functional Knowledge for Better
//! Option Pricing", NIPS 2000, section 3.
//!
//! f(x) = max(x, 0) + log(1 + e) with e = exp(-|x|) does not overflow. WGSL has no log1p; the shader uses 2 artanh(s),
//! s = e / (2 + e) <= 1/3, with artanh's power series (NIST Digital Library of Mathematical Functions, section 4.38) up
//! to s^15.

use super::function::{Function, TINY, UNIT, exp_error};
use super::sigmoid::{SIGMOID, sigmoid, sigmoid_error};
use crate::kernel::{Real, ShaderFault};

/// Softplus, a smooth ReLU.
#[derive(Clone, Copy, Debug)]
pub struct Softplus;

impl Function for Softplus {
    const NAMES: [&'static str; 4] =
        ["softplus", "softplus_gradient", "matmul_nn_bias_softplus", "matmul_nt_softplus_gradient"];
    const PARTS: &'static [&'static str] = &[SIGMOID, include_str!("../../../../shaders/lib/activation_softplus.wgsl")];
    const FLOPS: [u64; 2] = [23, 4];
    const STEEPEST: f64 = 1.0;
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[ShaderFault { from: "max(x, 0.0) +", to: "" }, ShaderFault { from: "1.0 / 7.0 + z * sum", to: "0.0" }],
        &[
            ShaderFault { from: "return sigmoid(x)", to: "return sigmoid_derivative(x)" },
            ShaderFault { from: "gradient[i] *", to: "gradient[0] *" },
        ],
        &[ShaderFault { from: "i < PACK", to: "i + 1u < PACK" }, ShaderFault { from: "max(x, 0.0) +", to: "" }],
        &[
            ShaderFault { from: "derivative(z[i], SLOPE)", to: "derivative(-z[i], SLOPE)" },
            ShaderFault { from: "return sigmoid(x)", to: "return sigmoid_derivative(x)" },
        ],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        x.max(T::zero()) + (-x.abs()).exp().ln_1p()
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        sigmoid(x)
    }

    /// Relative error of the logarithm: the exponential's error and 7 units of a sum, a quotient (2.5), the series,
    /// whose terms after the first are a 25th of it, and a product; the series' truncation error is below 2e-9. Then a
    /// sum.
    fn activation_error(x: f64, slope: f64) -> f64 {
        let logarithm = (-x.abs()).exp().ln_1p();
        logarithm * (exp_error(x) + 7.0 * UNIT) + UNIT * Self::activation(x, slope) + TINY
    }

    fn derivative_error(x: f64, _slope: f64) -> f64 {
        sigmoid_error(x)
    }
}
