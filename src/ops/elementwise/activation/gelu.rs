//! f(x) = x P(x), f'(x) = P(x) + x p(x), with P the normal distribution function and p its density: Hendrycks and
//! Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415, section 2.
//!
//! WGSL has no error function. The shader uses erfc(z) = (a1 t + ... + a5 t^5) exp(-z^2), t = 1 / (1 + 0.3275911 z),
//! from Abramowitz and Stegun, "Handbook of Mathematical Functions", formula 7.1.26, with an error of at most 1.5e-7.
//! The twin's erfc is accurate to f64 precision.

use super::function::{Function, TINY, UNIT, exp_error};
use crate::kernel::{Real, ShaderFault};
use std::f64::consts::FRAC_1_SQRT_2;

/// The Gaussian error linear unit, exact.
#[derive(Clone, Copy, Debug)]
pub struct Gelu;

/// P(x).
fn distribution<T: Real>(x: T) -> T {
    T::of(0.5 * libm::erfc(-x.wide() * FRAC_1_SQRT_2))
}

/// p(x).
fn density<T: Real>(x: T) -> T {
    T::of(0.398_942_280_401_432_7) * (T::of(-0.5) * (x * x)).exp()
}

/// Relative error of exp(-x^2 / 2): its own, and that of an argument rounded once.
fn bell_error(x: f64) -> f64 {
    let square = 0.5 * x * x;
    exp_error(square) + square * UNIT
}

/// Half the error of formula 7.1.26, which is at most its value plus erfc; half of 60 units of t exp(-z^2) for the
/// polynomial, where t has 6.5 units and the polynomial changes by at most 3.5 times as much, and where term i has 2 i
/// + 1 roundings, sum (2 i + 1) |a_i| = 37; for the tail, the exponential's error and two products; and 1 - tail.
fn distribution_error(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * FRAC_1_SQRT_2 * x.abs());
    let bell = (-0.5 * x * x).exp();
    let tail = distribution(-x.abs());
    let formula = f64::min(1.5e-7, t * bell + 2.0 * tail);
    let rounding = 60.0 * UNIT * t * bell;
    0.5 * (formula + rounding) + tail * (bell_error(x) + 2.0 * UNIT) + UNIT * distribution(x) + TINY
}

impl Function for Gelu {
    const NAMES: [&'static str; 4] = ["gelu", "gelu_gradient", "matmul_nn_bias_gelu", "matmul_nt_gelu_gradient"];
    const PARTS: &'static [&'static str] = &[include_str!("../../../../shaders/lib/activation_gelu.wgsl")];
    const FLOPS: [u64; 2] = [20, 22];
    const STEEPEST: f64 = 1.13; // at the root of 2
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault { from: "1.0 - tail, x >= 0.0", to: "1.0 - tail, x >= 1.0" },
            ShaderFault { from: "1.061405429", to: "1.06" },
            ShaderFault { from: "0.3275911", to: "0.327" },
        ],
        &[
            ShaderFault { from: "x * at.density", to: "at.density" },
            ShaderFault { from: "0.3989422804014327", to: "0.398" },
        ],
        &[
            ShaderFault { from: "x + bias[column / PACK]", to: "max(x, bias[column / PACK])" },
            ShaderFault { from: "0.3275911", to: "0.327" },
        ],
        &[
            ShaderFault { from: "derivative(z[i], SLOPE)", to: "activation(z[i], SLOPE)" },
            ShaderFault { from: "x * at.density", to: "at.density" },
        ],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        x * distribution(x)
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        distribution(x) + x * density(x)
    }

    /// The error of P times x, and a product.
    fn activation_error(x: f64, slope: f64) -> f64 {
        x.abs() * distribution_error(x) + UNIT * Self::activation(x, slope).abs() + TINY
    }

    /// The errors of both terms, of which the second has 3 roundings, and of their sum.
    fn derivative_error(x: f64, slope: f64) -> f64 {
        let product = x.abs() * (density(x) * (bell_error(x) + 3.0 * UNIT) + TINY);
        distribution_error(x) + product + UNIT * Self::derivative(x, slope).abs()
    }
}
