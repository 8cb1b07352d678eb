//! The kernels of an activation function, and the function as an op.

use super::epilogue::{BiasThen, TimesDerivative};
use super::function::{ActivationParams, Function, SLOPE, activation_cases, extreme_inputs, variant};
use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::elementwise::activation_gradient::ActivationGradientKernel;
use crate::ops::elementwise::scale::ScaleOp;
use crate::ops::gradient_check::{GradientCheck, GradientGraph, Registered};
use crate::ops::matmul::{self, MatmulKernel, Operands, Product, with_epilogue};
use crate::ops::support::{each_row, linear_groups};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// The elementwise kernel of a function.
#[derive(Debug)]
pub struct ActivationKernel<F>(PhantomData<F>);

/// All kernels of a function.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// The function itself.
    pub activation: &'static dyn Registered,
    /// Its gradient.
    pub gradient: &'static dyn Registered,
    /// A B + bias, then the function, at [`SLOPE`].
    pub of_product: &'static dyn Product,
    /// A B^T times the derivative, at [`SLOPE`].
    pub gradient_of_product: &'static dyn Product,
    /// f(x) and f'(x), for x and slope.
    pub values: fn(f64, f64) -> [f64; 2],
    /// [`Function::STEEPEST`].
    pub steepest: f64,
}

impl Kernels {
    /// The kernels of this function.
    pub(super) const fn of<F: Function>() -> Self {
        Self {
            activation: &ActivationKernel::<F>(PhantomData),
            gradient: &ActivationGradientKernel::<F>(PhantomData),
            of_product: const { &MatmulKernel::<BiasThen<F>>::new(F::NAMES[2], Operands::NN) },
            gradient_of_product: const { &MatmulKernel::<TimesDerivative<F>>::new(F::NAMES[3], Operands::NT) },
            values: |x, slope| [F::activation(x, slope), F::derivative(x, slope)],
            steepest: F::STEEPEST,
        }
    }

    /// All four kernels.
    pub fn all(&self) -> [&'static dyn Registered; 4] {
        [self.activation, self.gradient, self.of_product, self.gradient_of_product]
    }
}

impl<F: Function> Kernel for ActivationKernel<F> {
    type Params = ActivationParams;

    fn name(&self) -> &'static str {
        F::NAMES[0]
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![variant::<F>(include_str!("../../../../shaders/activation.wgsl"))]
    }

    fn groups(&self, params: &ActivationParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &ActivationParams) -> u64 {
        F::FLOPS[0] * u64::from(params.n)
    }

    fn twin<T: Real>(&self, params: &ActivationParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.real("a"), args.real_mut("out"));
        let slope = T::of(params.slope.into());
        each_row(out, 1, |i, out| out[0] = F::activation(a[i], slope));
    }

    /// The function's own bound.
    fn tolerance(&self, case: &Case<ActivationParams>, _output: &str, values: &Values) -> Tolerance {
        let slope = f64::from(case.params.slope);
        Tolerance::each(values.before("a"), |x| F::activation_error(x, slope))
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n")]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ActivationParams>> {
        activation_cases(effort)
    }

    fn fill(&self, case: &Case<ActivationParams>, _: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        (case.inputs == Inputs::Extreme).then(|| extreme_inputs(n, random))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        F::FAULTS[0]
    }
}

impl<F: Function> Registered for ActivationKernel<F> {
    /// Once with the derivative fused into the backward product, and once without a product.
    fn gradient_check(&'static self) -> GradientCheck {
        let op = ActivationOp::new(const { &Kernels::of::<F>() }, SLOPE);
        let alone = format!("{} alone", F::NAMES[0]);
        GradientCheck::Graphs(vec![
            GradientGraph::of_op(F::NAMES[0], &[&[4, 5]], move |graph, p, _| graph.apply(op, p)),
            GradientGraph::of_op(alone, &[&[4, 5]], move |graph, p, _| {
                let active = graph.apply(op, p)?;
                graph.apply(ScaleOp { factor: -0.7 }, &[active])
            }),
        ])
    }
}

/// An elementwise function with its slope.
#[derive(Clone, Copy)]
pub struct ActivationOp {
    kernels: &'static Kernels,
    slope: f32,
}

impl ActivationOp {
    /// The function with these kernels; `slope` is [`ActivationParams::slope`].
    pub(super) fn new(kernels: &'static Kernels, slope: f32) -> Self {
        Self { kernels, slope }
    }
}

impl fmt::Debug for ActivationOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kernels.activation.name(), self.slope)
    }
}

impl Op for ActivationOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let op = ActivationGradientOp { kernels: self.kernels, slope: self.slope };
        Ok(vec![Some(graph.apply(op, &[upstream, node.inputs[0]])?)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([a, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], outputs[0]])?;
        let params = bytemuck::bytes_of(&ActivationParams { n, slope: self.slope }).to_vec();
        cx.dispatch_any(self.kernels.activation, params, &[("a", a), ("out", out)])
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        if self.slope != SLOPE {
            return None;
        }
        with_epilogue(producer, &matmul::NN_BIAS, self.kernels.of_product)
    }
}

/// The gradient of an activation: inputs are the upstream gradient and the activation's input.
#[derive(Clone, Copy)]
struct ActivationGradientOp {
    kernels: &'static Kernels,
    slope: f32,
}

impl fmt::Debug for ActivationGradientOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kernels.gradient.name(), self.slope)
    }
}

impl Op for ActivationGradientOp {
    /// Both shapes must be equal.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        if inputs[0] == inputs[1] {
            return Ok(vec![inputs[0].clone()]);
        }
        Err(mistake(format!("gradient of shape {} for an activation of {}", inputs[0], inputs[1])))
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let ([gradient, input, out], n) = crate::ops::support::flat(cx.plan, [inputs[0], inputs[1], outputs[0]])?;
        let params = bytemuck::bytes_of(&ActivationParams { n, slope: self.slope }).to_vec();
        let bindings = [("gradient", gradient), ("input", input), ("out", out)];
        cx.dispatch_any(self.kernels.gradient, params, &bindings)
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        if self.slope != SLOPE {
            return None;
        }
        with_epilogue(producer, &matmul::NT, self.kernels.gradient_of_product)
    }
}
