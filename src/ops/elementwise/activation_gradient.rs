//! out = gradient f'(input), elementwise, for each activation function f of
//! [`activation`](crate::ops::elementwise::activation).
//!
//! `input` is the activation's input. For [`leaky_relu`](crate::ops::elementwise::activation::leaky_relu) with a
//! non-negative slope, its output works too, since it has the same sign. The derivatives of sigmoid and tanh could be
//! computed from the output without an exponential, as y (1 - y) and 1 - y^2, but both cancel for y near 1 and vanish
//! long before the derivative does.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::elementwise::activation::{ActivationParams, Function, activation_cases, extreme_inputs, variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{UNIT, each_row, linear_groups};
use crate::random::Random;
use std::marker::PhantomData;

/// The kernel of a function's gradient.
#[derive(Debug)]
pub struct ActivationGradientKernel<F>(pub(super) PhantomData<F>);

impl<F: Function> Kernel for ActivationGradientKernel<F> {
    type Params = ActivationParams;

    fn name(&self) -> &'static str {
        F::NAMES[1]
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![variant::<F>(include_str!("../../../shaders/activation_gradient.wgsl"))]
    }

    fn groups(&self, params: &ActivationParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &ActivationParams) -> u64 {
        (1 + F::FLOPS[1]) * u64::from(params.n)
    }

    fn twin<T: Real>(&self, params: &ActivationParams, args: &mut Args<'_, T>) {
        let (gradient, input, out) = (args.real("gradient"), args.real("input"), args.real_mut("out"));
        let slope = T::of(params.slope.into());
        each_row(out, 1, |i, out| out[0] = gradient[i] * F::derivative(input[i], slope));
    }

    /// The derivative's own bound, and the rounding of the product.
    fn tolerance(&self, case: &Case<ActivationParams>, output: &str, values: &Values) -> Tolerance {
        let slope = f64::from(case.params.slope);
        let factors = values.before("gradient").iter().zip(values.before("input"));
        let bound = |((g, &x), out): ((&f64, &f64), &f64)| {
            g.abs() * F::derivative_error(x, slope) + UNIT * out.abs() + f64::from(f32::MIN_POSITIVE)
        };
        Tolerance { hard: factors.zip(values.after(output)).map(bound).collect(), soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["gradient"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ActivationParams>> {
        activation_cases(effort)
    }

    fn fill(&self, case: &Case<ActivationParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        (binding == "input" && case.inputs == Inputs::Extreme).then(|| extreme_inputs(n, random))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        F::FAULTS[1]
    }
}

impl<F: Function> Registered for ActivationGradientKernel<F> {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::elementwise::activation::{ALL, Kernels};

    /// Central differences in f64 at points of both signs, away from leaky ReLU's kink.
    #[test]
    fn derivatives_are_what_finite_differences_give() {
        let (slope, step) = (0.3f64, 1e-5);
        for Kernels { activation, values, steepest, .. } in ALL {
            let name = activation.name();
            for i in -60..60 {
                let x = (f64::from(i) + 0.5) / 8.0;
                let difference = values(x + step, slope)[0] - values(x - step, slope)[0];
                let (found, expected) = (values(x, slope)[1], difference / (2.0 * step));
                let near = (found - expected).abs() <= 1e-6 * expected.abs() + 1e-9;
                assert!(near, "{name}: f'({x}) is {found}, differences give {expected}");
            }
            let slopes = (-8_000..8_000).map(|i| values(f64::from(i) / 1_000.0, slope)[1].abs());
            let largest = slopes.fold(0.0, f64::max);
            let fits = largest <= *steepest && largest > 0.99 * steepest;
            assert!(fits, "{name}: f' reaches {largest}, not {steepest}");
        }
    }
}
