//! f(x) = tanh(x), f'(x) = 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|), which does not cancel.
//!
//! The shader uses (1 - e) / (1 + e), and for |x| < 0.5 five terms of the continued fraction of tanh (NIST Digital
//! Library of Mathematical Functions, equation 4.39.1): x (945 + 105 x^2 + x^4) / (945 + 420 x^2 + 15 x^4).

use super::function::{Function, TINY, UNIT, exp_error};
use crate::kernel::{Real, ShaderFault};

/// The hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Function for Tanh {
    const NAMES: [&'static str; 4] = ["tanh", "tanh_gradient", "matmul_nn_bias_tanh", "matmul_nt_tanh_gradient"];
    const PARTS: &'static [&'static str] = &[include_str!("../../../../shaders/lib/activation_tanh.wgsl")];
    const FLOPS: [u64; 2] = [16, 7];
    const STEEPEST: f64 = 1.0; // at 0
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault {
                from: "let near = x * (945.0 + z * (105.0 + z)) /",
                to: "let near = x * (945.0 + z * 105.0) /",
            },
            ShaderFault { from: "select(far, near, abs(x) < 0.5)", to: "near" },
            ShaderFault { from: "sign(x) *", to: "" },
        ],
        &[
            ShaderFault { from: "4.0 * e", to: "2.0 * e" },
            ShaderFault { from: "exp(-2.0 * abs(x))", to: "exp(-2.0 * x)" },
        ],
        &[ShaderFault { from: "activation(z[i], SLOPE)", to: "z[i]" }, ShaderFault { from: "sign(x) *", to: "" }],
        &[
            ShaderFault { from: "row * params.n + column) / PACK]); //", to: "column) / PACK]); //" },
            ShaderFault { from: "4.0 * e", to: "4.001 * e" },
        ],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        x.tanh()
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        let e = (-T::of(2.0) * x.abs()).exp();
        T::of(4.0) * e / ((T::one() + e) * (T::one() + e))
    }

    /// Near zero, 12 units, relative: a quotient (2.5) of two sums of positive terms with 4 or 5 roundings each; the
    /// truncation error of the continued fraction is below 1e-10. Beyond, 5 units of two sums and a quotient, and the
    /// error of e, which the quotient divides by sinh(2 |x|).
    fn activation_error(x: f64, _slope: f64) -> f64 {
        let far = exp_error(2.0 * x) / (2.0 * x.abs()).sinh() + 5.0 * UNIT;
        let relative = if x.abs() < 0.5 { 12.0 * UNIT } else { far };
        relative * x.tanh().abs() + TINY
    }

    /// Relative error of the exponential, two equal sums, their product and a quotient.
    fn derivative_error(x: f64, slope: f64) -> f64 {
        Self::derivative(x, slope) * (exp_error(2.0 * x) + 7.0 * UNIT) + 4.0 * TINY
    }
}
