//! f(x) = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): Hendrycks and Gimpel, "Gaussian Error Linear Units
//! (GELUs)", arXiv:1606.08415, section 2.
//!
//! Since (1 + tanh v) / 2 = sigmoid(2 v), it equals x sigmoid(w) with w = 2 sqrt(2 / pi) (x + 0.044715 x^3): no
//! cancellation.

use super::function::{Function, TINY, UNIT};
use super::sigmoid::{SIGMOID, sigmoid, sigmoid_derivative, sigmoid_derivative_error, sigmoid_error};
use crate::kernel::{Real, ShaderFault};

/// The tanh approximation of GELU, within 5e-4 of the exact one.
#[derive(Clone, Copy, Debug)]
pub struct GeluTanh;

const LINEAR_TERM: f64 = 1.595_769_121_605_730_8; // 2 sqrt(2 / pi)
const CUBIC_TERM: f64 = 0.044_715 * LINEAR_TERM;

/// w, and its derivative.
fn argument<T: Real>(x: T) -> (T, T) {
    let (linear, cubic) = (T::of(LINEAR_TERM), T::of(CUBIC_TERM));
    (x * (linear + cubic * (x * x)), linear + T::of(3.0) * cubic * (x * x))
}

/// The error of sigmoid(w): its own, and that of w, a sum of terms of equal sign with 5 roundings.
fn sigmoid_of_argument_error(w: f64) -> f64 {
    sigmoid_error(w) + sigmoid_derivative(w) * 5.0 * UNIT * w.abs()
}

impl Function for GeluTanh {
    const NAMES: [&'static str; 4] =
        ["gelu_tanh", "gelu_tanh_gradient", "matmul_nn_bias_gelu_tanh", "matmul_nt_gelu_tanh_gradient"];
    const PARTS: &'static [&'static str] =
        &[SIGMOID, include_str!("../../../../shaders/lib/activation_gelu_tanh.wgsl")];
    const FLOPS: [u64; 2] = [9, 18];
    const STEEPEST: f64 = 1.13; // near the root of 2
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault { from: "CUBIC_TERM = 0.07135481627260025", to: "CUBIC_TERM = 0.0713" },
            ShaderFault { from: "x * sigmoid(w)", to: "sigmoid(w)" },
        ],
        &[ShaderFault { from: "3.0 * CUBIC_TERM", to: "CUBIC_TERM" }, ShaderFault { from: "(x * dw)", to: "dw" }],
        &[
            ShaderFault { from: "bias[column / PACK]", to: "bias[row / PACK]" },
            ShaderFault { from: "CUBIC_TERM = 0.07135481627260025", to: "CUBIC_TERM = 0.0713" },
        ],
        &[
            ShaderFault { from: "i < PACK", to: "i + 1u < PACK" },
            ShaderFault { from: "3.0 * CUBIC_TERM", to: "CUBIC_TERM" },
        ],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        x * sigmoid(argument(x).0)
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        let (w, dw) = argument(x);
        sigmoid(w) + sigmoid_derivative(w) * (x * dw)
    }

    /// The error of the sigmoid times x, and a product.
    fn activation_error(x: f64, slope: f64) -> f64 {
        let (w, _) = argument(x);
        (x * sigmoid_of_argument_error(w)).abs() + UNIT * Self::activation(x, slope).abs() + TINY
    }

    /// The errors of both terms and of their sum. In the second, sigmoid's derivative changes with w by less than
    /// itself, and w' and the products have 7 roundings.
    fn derivative_error(x: f64, slope: f64) -> f64 {
        let (w, dw) = argument(x);
        let factor = sigmoid_derivative_error(w) + sigmoid_derivative(w) * (5.0 * w.abs() + 7.0) * UNIT;
        sigmoid_of_argument_error(w) + (x * dw * factor).abs() + UNIT * Self::derivative(x, slope).abs()
    }
}
