//! Activation functions as epilogues of products.

use super::function::{Function, SLOPE, SLOPES, TINY, UNIT, extreme_inputs};
use crate::kernel::{Case, Inputs, Real, Relation, ShaderFault};
use crate::ops::gradient_check::GradientCheck;
use crate::ops::matmul::{Epilogue, MatmulParams, Operands, sum_error};
use crate::ops::support::bits;
use crate::random::Random;
use std::marker::PhantomData;

/// Adds `bias[n]`, then applies the function.
#[derive(Debug)]
pub struct BiasThen<F>(PhantomData<F>);

impl<F: Function> Epilogue for BiasThen<F> {
    const PROPORTIONAL: &'static [Relation] = &[];
    const OPERAND: Option<&'static str> = Some("bias");
    const FLOPS: u64 = 1 + F::FLOPS[0];
    const COMPOSED: bool = true;

    fn parts() -> Vec<&'static str> {
        [&[SLOPES], F::PARTS, &[include_str!("../../../../shaders/lib/epilogue_bias_activation.wgsl")]].concat()
    }

    fn apply<T: Real>(x: T, y: T) -> T {
        F::activation(x + y, T::of(SLOPE.into()))
    }

    /// |f(z + dz) - f(z)| <= max |f'| |dz|, plus the function's own error at any z.
    fn error(x: f64, y: f64, of_x: f64, unit: f64) -> f64 {
        let (z, of_z) = (x + y, sum_error(x, y, of_x, unit));
        let own = |z| F::activation_error(z, SLOPE.into());
        F::STEEPEST * of_z + own(z - of_z).max(own(z)).max(own(z + of_z))
    }

    /// Sums of magnitude about 1, where functions are nonlinear, except with an extreme bias.
    fn fill(case: &Case<MatmulParams>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        let deviation = 1.0 / f64::from(case.params.k).sqrt();
        match (binding, case.inputs) {
            (_, Inputs::Integers) => None,
            ("a", _) => Some(bits((0..elements).map(|_| (deviation * random.normal()) as f32))),
            ("bias", Inputs::Extreme) => Some(extreme_inputs(elements, random)),
            _ => None,
        }
    }

    fn faults(_operands: Operands) -> &'static [ShaderFault] {
        F::FAULTS[2]
    }

    fn gradient_check() -> GradientCheck {
        GradientCheck::Without("used only in evaluation: a gradient needs the pre-activation values")
    }
}

/// Multiplies by the derivative at `input[m, n]`, the activation's input: its gradient.
#[derive(Debug)]
pub struct TimesDerivative<F>(PhantomData<F>);

impl<F: Function> Epilogue for TimesDerivative<F> {
    const OPERAND: Option<&'static str> = Some("input");
    const FLOPS: u64 = 1 + F::FLOPS[1];
    const COMPOSED: bool = true;

    fn parts() -> Vec<&'static str> {
        [&[SLOPES], F::PARTS, &[include_str!("../../../../shaders/lib/epilogue_activation_gradient.wgsl")]].concat()
    }

    fn apply<T: Real>(x: T, y: T) -> T {
        x * F::derivative(y, T::of(SLOPE.into()))
    }

    /// The errors of both factors, and the rounding of their product.
    fn error(x: f64, y: f64, of_x: f64, _: f64) -> f64 {
        let (slope, of_slope) = (F::derivative(y, SLOPE.into()).abs(), F::derivative_error(y, SLOPE.into()));
        let x = x.abs() + of_x;
        slope * of_x + x * of_slope + UNIT * x * (slope + of_slope) + TINY
    }

    fn fill(case: &Case<MatmulParams>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        (binding == "input" && case.inputs == Inputs::Extreme).then(|| extreme_inputs(elements, random))
    }

    fn faults(_operands: Operands) -> &'static [ShaderFault] {
        F::FAULTS[3]
    }
}
