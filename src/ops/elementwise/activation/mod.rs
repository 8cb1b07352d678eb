//! out = f(a), element by element, for each activation function f of this folder but ReLU, which is an op of its own.
//!
//! A [`Function`] has one file here and one snippet, `shaders/lib/activation_NAME.wgsl`, with WGSL functions
//! `activation` and `derivative`; whatever fuses an activation puts the same snippet before its source, as products do.

pub mod elu;
mod epilogue;
pub mod gelu;
pub mod gelu_tanh;
mod graph;
pub mod leaky_relu;
pub mod sigmoid;
pub mod silu;
pub mod softplus;
pub mod tanh;

pub use epilogue::{BiasThen, TimesDerivative};
pub use graph::ActivationOp;

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant,
};
use crate::ops::elementwise::activation_gradient::ActivationGradient;
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::matmul::{Matmul, Operands, Product};
use crate::ops::support::{LINEAR, UNIT, bits, each_row, flat_sizes, linear_groups};
use crate::random::Random;

/// An activation function with its derivative, and how far its shader may lie from both.
///
/// `slope` is [`ActivationParams::slope`]. Both results are finite for x from -1e4 to 1e4.
pub trait Function: Sync + Send + std::fmt::Debug + 'static {
    /// The names of its [`Kernels`], in their order.
    const NAMES: [&'static str; 4];

    /// WGSL that declares `activation` and `derivative`.
    const PARTS: &'static [&'static str];

    /// Floating-point operations of an activation and of a derivative, an exponential counted as one.
    const FLOPS: [u64; 2];

    /// No |f'(x)| is larger, by any slope up to 1.
    const STEEPEST: f64;

    /// [`Kernel::faults`] of its [`Kernels`], in their order.
    const FAULTS: [&'static [ShaderFault]; 4];

    /// f(x).
    fn activation<T: Real>(x: T, slope: T) -> T;

    /// f'(x).
    fn derivative<T: Real>(x: T, slope: T) -> T;

    /// The largest absolute error of the shader's `activation`.
    fn activation_error(x: f64, slope: f64) -> f64;

    /// The largest absolute error of the shader's `derivative`.
    fn derivative_error(x: f64, slope: f64) -> f64;
}

crate::params! {
    /// Parameters of [`Activation`] and [`ActivationGradient`].
    pub struct ActivationParams {
        /// Elements.
        pub n: u32,
        /// The slope of [`leaky_relu`] for negative numbers; the other functions have none and ignore it.
        pub slope: f32,
    }
}

/// The kernel of a function.
#[derive(Debug)]
pub struct Activation<F>(pub F);

/// The kernels of a function.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Of itself.
    pub activation: &'static dyn Registered,
    /// Of its gradient.
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

crate::shared! {
    /// [`SLOPE`] for shaders.
    pub(in crate::ops) SLOPES:
    /// The slope of leaky ReLU where no parameter gives one; the other functions have none.
    pub SLOPE: f32 = 0.01;
}

macro_rules! kernels {
    ($($file:ident::$function:ident),*) => {
        [$(Kernels {
            activation: &Activation($file::$function),
            gradient: &ActivationGradient($file::$function),
            of_product: &Matmul::<BiasThen<$file::$function>>::new($file::$function::NAMES[2], Operands::NN),
            gradient_of_product:
                &Matmul::<TimesDerivative<$file::$function>>::new($file::$function::NAMES[3], Operands::NT),
            values: |x, slope| [$file::$function::activation(x, slope), $file::$function::derivative(x, slope)],
            steepest: $file::$function::STEEPEST,
        }),*]
    };
}

/// Every function: the names that `--activation` and model files take follow from this list.
pub static ALL: &[Kernels] = &kernels![
    leaky_relu::LeakyRelu,
    sigmoid::Sigmoid,
    tanh::Tanh,
    gelu::Gelu,
    gelu_tanh::GeluTanh,
    silu::Silu,
    softplus::Softplus,
    elu::Elu
];

impl Kernels {
    /// All four.
    pub fn all(&self) -> [&'static dyn Registered; 4] {
        [self.activation, self.gradient, self.of_product, self.gradient_of_product]
    }
}

/// The smallest normal number: what flushing a subnormal one to zero may cost.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// The relative error of exp(x): 3 + 2 |x| units (WGSL, "Floating Point Accuracy"), and one more, as drivers have it.
fn exp_error(x: f64) -> f64 {
    (4.0 + 2.0 * x.abs()) * UNIT
}

/// The parts of a shader that applies a function.
pub(in crate::ops) fn variant<F: Function>(main: &'static str) -> Variant {
    Variant::plain(&[&[LINEAR], F::PARTS, &[main]].concat())
}

/// Sizes with every kind of input, at the usual slope.
pub(in crate::ops) fn activation_cases(effort: Effort) -> Vec<Case<ActivationParams>> {
    let case = |(i, n)| Case::new(ActivationParams { n, slope: SLOPE }, kind(i));
    flat_sizes(effort).into_iter().enumerate().map(case).collect()
}

/// Numbers of every magnitude up to 1e4, and those where formulas change or saturate.
pub(in crate::ops) fn extreme_inputs(elements: usize, random: &mut Random) -> Vec<u32> {
    let special = [0.0, 1e4, -1e4, 0.5, -0.5, 1.0, -1.0, 17.0, -17.0, 88.0, -88.0, 104.0, -104.0];
    let mut number = |i: usize| match i % 8 {
        0 => special[i / 8 % special.len()],
        1 | 2 => random.between(-20.0, 20.0),
        _ => random.normal().signum() as f32 * 10f32.powf(random.between(-6.0, 4.0)),
    };
    bits((0..elements).map(&mut number))
}

impl<F: Function> Kernel for Activation<F> {
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

impl<F: Function> Registered for Activation<F> {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op(F::NAMES[0], &[&[4, 5]], |graph, p, _| graph.apply(ActivationOp::of::<F>()?, p))
    }
}
