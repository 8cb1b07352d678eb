//! f(x) = x where x > 0, else exp(x) - 1: Clevert, Unterthiner and Hochreiter, "Fast and Accurate Deep Network Learning
//! by Exponential Linear Units (ELUs)", ICLR 2016, equation 15, with alpha = 1; f'(x) = exp(min(x, 0)).
//!
//! WGSL has no expm1. For x > -1 the shader uses 2 t / (1 - t), t = tanh(x / 2), with the continued fraction of
//! [`tanh`](super::tanh).

use super::function::{Function, TINY, UNIT, exp_error};
use crate::kernel::{Real, ShaderFault};

/// The exponential linear unit.
#[derive(Clone, Copy, Debug)]
pub struct Elu;

impl Function for Elu {
    const NAMES: [&'static str; 4] = ["elu", "elu_gradient", "matmul_nn_bias_elu", "matmul_nt_elu_gradient"];
    const PARTS: &'static [&'static str] = &[include_str!("../../../../shaders/lib/activation_elu.wgsl")];
    const FLOPS: [u64; 2] = [17, 2];
    const STEEPEST: f64 = 1.0;
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault { from: "exp(y) - 1.0,", to: "exp(y)," },
            ShaderFault { from: "exp(y) - 1.0, 2.0 * t / (1.0 - t), y > -1.0", to: "exp(y) - 1.0, exp(y) - 1.0, true" },
            ShaderFault { from: "420.0", to: "421.0" },
        ],
        &[
            ShaderFault { from: "exp(min(x, 0.0))", to: "exp(x)" },
            ShaderFault { from: "gradient[i] *", to: "gradient[0] *" },
        ],
        &[
            ShaderFault { from: "x + bias[column / PACK]", to: "x - bias[column / PACK]" },
            ShaderFault { from: "(1.0 - t)", to: "(1.0 + t)" },
        ],
        &[
            ShaderFault { from: "x * pack(y, 0u)", to: "pack(y, 0u)" },
            ShaderFault { from: "exp(min(x, 0.0))", to: "exp(x)" },
        ],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        if x > T::zero() { x } else { x.exp_m1() }
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        x.min(T::zero()).exp()
    }

    /// Near zero, 20 units, relative: 12 of t, of which 1 - t >= 1 inherits at most a third, a difference, and a
    /// quotient (2.5). Beyond, the exponential's error, and a difference.
    fn activation_error(x: f64, slope: f64) -> f64 {
        let size = Self::activation(x, slope).abs();
        match x {
            _ if x > 0.0 => TINY,
            _ if x > -1.0 => 20.0 * UNIT * size + TINY,
            _ => exp_error(x) * x.exp() + UNIT * size + TINY,
        }
    }

    /// The exponential's error.
    fn derivative_error(x: f64, slope: f64) -> f64 {
        Self::derivative(x, slope) * exp_error(x.min(0.0)) + TINY
    }
}
