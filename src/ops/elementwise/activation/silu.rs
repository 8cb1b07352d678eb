//! f(x) = x sigmoid(x): Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units for Neural Network Function
//! Approximation in Reinforcement Learning", Neural Networks 107, 2018, equations 5 and 6. Also called swish.

use super::function::{Function, TINY, UNIT};
use super::sigmoid::{SIGMOID, sigmoid, sigmoid_derivative, sigmoid_derivative_error, sigmoid_error};
use crate::kernel::{Real, ShaderFault};

/// The sigmoid-weighted linear unit.
#[derive(Clone, Copy, Debug)]
pub struct Silu;

impl Function for Silu {
    const NAMES: [&'static str; 4] = ["silu", "silu_gradient", "matmul_nn_bias_silu", "matmul_nt_silu_gradient"];
    const PARTS: &'static [&'static str] = &[SIGMOID, include_str!("../../../../shaders/lib/activation_silu.wgsl")];
    const FLOPS: [u64; 2] = [5, 11];
    const STEEPEST: f64 = 1.1; // at 2.4
    const FAULTS: [&'static [ShaderFault]; 4] = [
        &[
            ShaderFault { from: "x * sigmoid(x)", to: "x * sigmoid(-x)" },
            ShaderFault { from: "1.0 / (1.0 + e)", to: "1.0 / (1.0001 + e)" },
        ],
        &[
            ShaderFault { from: "x * sigmoid_derivative(x)", to: "sigmoid_derivative(x)" },
            ShaderFault { from: "sigmoid(x) + x", to: "x" },
        ],
        &[
            ShaderFault { from: "y[i] = activation(z[i], SLOPE)", to: "y[i] = z[i] * activation(z[i], SLOPE)" },
            ShaderFault { from: "x * sigmoid(x)", to: "x * sigmoid(-x)" },
        ],
        &[
            ShaderFault { from: "x * pack(y, 0u)", to: "x + pack(y, 0u)" },
            ShaderFault { from: "sigmoid(x) + x", to: "x" },
        ],
    ];

    fn activation<T: Real>(x: T, _slope: T) -> T {
        x * sigmoid(x)
    }

    fn derivative<T: Real>(x: T, _slope: T) -> T {
        sigmoid(x) + x * sigmoid_derivative(x)
    }

    /// The sigmoid's error times x, and a product.
    fn activation_error(x: f64, slope: f64) -> f64 {
        (x * sigmoid_error(x)).abs() + UNIT * Self::activation(x, slope).abs() + TINY
    }

    /// The errors of both terms, a product and a sum.
    fn derivative_error(x: f64, slope: f64) -> f64 {
        let product = (x * (sigmoid_derivative_error(x) + 2.0 * UNIT * sigmoid_derivative(x))).abs();
        sigmoid_error(x) + product + UNIT * Self::derivative(x, slope).abs()
    }
}
