//! f(x) = 1 / (1 + exp(-x)), the logistic function; f'(x) = f(x) f(-x): Goodfellow, Bengio and Courville, "Deep
//! Learning", equations 3.30 and 3.32.
//!
//! With e = exp(-|x|) nothing overflows: f(x) is 1 / (1 + e) for positive x and e / (1 + e) for negative x.

use super::function::{Function, TINY, UNIT, exp_error};
use crate::kernel::{Real, ShaderFault};

/// The logistic function.
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

pub(super) const SIGMOID: &str = include_str!("../../../../shaders/lib/sigmoid.wgsl");

pub(super) fn sigmoid<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    let p = T::one() / (T::one() + e);
    if x >= T::zero() { p } else { e * p }
}

pub(super) fn sigmoid_derivative<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    let p = T::one() / (T::one() + e);
    e * p * p
}

/// Relative error of a sum, a quotient (2.5 units) and, for negative x, a product: 5 units, plus the exponential's
/// error, weighted by e / (1 + e) for positive x.
pub(super) fn sigmoid_error(x: f64) -> f64 {
    let share = if x >= 0.0 { sigmoid(-x) } else { 1.0 };
    sigmoid(x) * (share * exp_error(x) + 5.0 * UNIT) + TINY
}

/// Relative error of the exponential, two quotients of 3.5 units and two products.
pub(super) fn sigmoid_derivative_error(x: f64) -> f64 {
    sigmoid_derivative(x) * (exp_error(x) + 9.0 * UNIT) + TINY
}

impl Function for Sigmoid {
    const NAMES: [&'static str; 4] =
        ["sigmoid", "sigmoid_gradient", "matmul_nn_bias_sigmoid", "matmul_nt_sigmoid_gradient"];
    const PARTS: &'static [&'static str] = &[SIGMOID, include_str!("../../../../shaders/lib/activation_sigmoid.wgsl")];
    const FLOPS: [u64; 2] = [4, 5];
    const STEEPEST: f64 = 0.25; // at 0
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault { from: "exp(-abs(x))", to: "exp(-x)" },
            ShaderFault { from: "i < params.n", to: "i < params.n + 1u" },
        ],
        &[ShaderFault { from: "e * p * p", to: "e * p" }, ShaderFault { from: "gradient[i] *", to: "gradient[0] *" }],
        &[
            ShaderFault { from: "x + bias[column / PACK]", to: "x - bias[column / PACK]" },
            ShaderFault { from: "select(e * p, p, x >= 0.0)", to: "p" },
        ],
        &[ShaderFault { from: "x * pack(y, 0u)", to: "pack(y, 0u)" }, ShaderFault { from: "e * p * p", to: "e * p" }],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        sigmoid(x)
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        sigmoid_derivative(x)
    }

    fn activation_error(x: f64, _slope: f64) -> f64 {
        sigmoid_error(x)
    }

    fn derivative_error(x: f64, _slope: f64) -> f64 {
        sigmoid_derivative_error(x)
    }
}
