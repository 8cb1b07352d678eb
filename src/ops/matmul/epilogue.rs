//! Epilogues: the operation a product applies to each sum before storing it.

use super::params::{MatmulParams, Operands};
use crate::kernel::{Case, Inputs, Real, Relation, ShaderFault};
use crate::ops::gradient_check::GradientCheck;
use crate::ops::support::bits;
use crate::random::Random;

/// A function of a sum x and an element y of an optional operand: a row `[n]` or a matrix `[m, n]`.
pub trait Epilogue: Sync + Send + std::fmt::Debug + 'static {
    /// The name of the operand's binding.
    const OPERAND: Option<&'static str>;

    /// Floating-point operations per sum.
    const FLOPS: u64;

    /// Whether the kernel also sums the columns of B, into `sums[n]`.
    const COLUMN_SUMS: bool = false;

    /// [`Kernel::is_composed`](crate::kernel::Kernel::is_composed).
    const COMPOSED: bool = false;

    /// The inputs that the result is proportional to, with the other factor, and perhaps the operand, unchanged.
    const PROPORTIONAL: &'static [Relation] = &[proportional(&["a"]), proportional(&["b"])];

    /// WGSL that declares `epilogue` and the operand's binding.
    fn parts() -> Vec<&'static str>;

    /// The stored value.
    fn apply<T: Real>(x: T, y: T) -> T;

    /// Error bound of the stored value, if x has the error `of_x`, and a sum of x and y is rounded by a relative
    /// `unit`: 0 for integers.
    fn error(x: f64, y: f64, of_x: f64, unit: f64) -> f64;

    /// [`Kernel::faults`](crate::kernel::Kernel::faults) of the product with these operands.
    fn faults(operands: Operands) -> &'static [ShaderFault];

    /// [`Registered::gradient_check`](crate::ops::Registered::gradient_check), but of the plain product.
    fn gradient_check() -> GradientCheck {
        GradientCheck::Elsewhere
    }

    /// [`Kernel::fill`](crate::kernel::Kernel::fill).
    fn fill(_case: &Case<MatmulParams>, _binding: &str, _elements: usize, _random: &mut Random) -> Option<Vec<u32>> {
        None
    }
}

const fn proportional(of: &'static [&'static str]) -> Relation {
    Relation::Proportional { of, outputs: &["out"] }
}

/// A product is proportional to each factor, a sum with a bias to both terms.
const WITH_BIAS: &[Relation] = &[proportional(&["a", "bias"]), proportional(&["b", "bias"])];

/// No epilogue.
#[derive(Debug)]
pub struct Plain;

impl Epilogue for Plain {
    const OPERAND: Option<&'static str> = None;
    const FLOPS: u64 = 0;

    fn parts() -> Vec<&'static str> {
        vec![include_str!("../../../shaders/lib/epilogue_none.wgsl")]
    }

    fn apply<T: Real>(x: T, _: T) -> T {
        x
    }

    fn error(_: f64, _: f64, of_x: f64, _: f64) -> f64 {
        of_x
    }

    fn faults(operands: Operands) -> &'static [ShaderFault] {
        match operands {
            Operands::NN => &[ShaderFault { from: "min(row, rows - 1u)", to: "min(row, rows - 2u)" }],
            Operands::TN => {
                &[ShaderFault { from: "row < params.m && c < params.n", to: "row < params.m && c <= params.n" }]
            }
            Operands::NT => &[ShaderFault { from: "k < params.k; k += 4u", to: "k + 4u < params.k; k += 4u" }],
        }
    }
}

/// Adds `bias[n]`.
#[derive(Debug)]
pub struct Bias;

/// The error of x + y; for the arguments see [`Epilogue::error`].
pub(in crate::ops) fn sum_error(x: f64, y: f64, of_x: f64, unit: f64) -> f64 {
    of_x + unit * ((x + y).abs() + of_x)
}

impl Epilogue for Bias {
    const OPERAND: Option<&'static str> = Some("bias");
    const FLOPS: u64 = 1;
    const PROPORTIONAL: &'static [Relation] = WITH_BIAS;

    fn parts() -> Vec<&'static str> {
        vec![include_str!("../../../shaders/lib/epilogue_bias.wgsl")]
    }

    fn apply<T: Real>(x: T, y: T) -> T {
        x + y
    }

    fn error(x: f64, y: f64, of_x: f64, unit: f64) -> f64 {
        sum_error(x, y, of_x, unit)
    }

    fn faults(_operands: Operands) -> &'static [ShaderFault] {
        &[ShaderFault { from: "x + bias[column / PACK]", to: "x - bias[column / PACK]" }]
    }
}

/// Adds `bias[n]`, then applies ReLU.
#[derive(Debug)]
pub struct BiasRelu;

impl Epilogue for BiasRelu {
    const OPERAND: Option<&'static str> = Some("bias");
    const FLOPS: u64 = 2;
    const PROPORTIONAL: &'static [Relation] = WITH_BIAS;

    fn parts() -> Vec<&'static str> {
        vec![include_str!("../../../shaders/lib/epilogue_bias_relu.wgsl")]
    }

    fn apply<T: Real>(x: T, y: T) -> T {
        (x + y).max(T::zero())
    }

    fn error(x: f64, y: f64, of_x: f64, unit: f64) -> f64 {
        sum_error(x, y, of_x, unit)
    }

    fn faults(_operands: Operands) -> &'static [ShaderFault] {
        &[ShaderFault { from: "max(x + bias[column / PACK], Element())", to: "x + bias[column / PACK]" }]
    }
}

/// Zero where `activation[m, n]`, the output of a ReLU, is not positive: the ReLU's gradient.
#[derive(Debug)]
pub struct ReluMask;

impl Epilogue for ReluMask {
    const OPERAND: Option<&'static str> = Some("activation");
    const FLOPS: u64 = 1;

    fn parts() -> Vec<&'static str> {
        vec![include_str!("../../../shaders/lib/epilogue_relu_mask.wgsl")]
    }

    fn apply<T: Real>(x: T, y: T) -> T {
        if y > T::zero() { x } else { T::zero() }
    }

    fn error(_: f64, _: f64, of_x: f64, _: f64) -> f64 {
        of_x
    }

    /// Half of a ReLU's outputs are zero.
    fn fill(case: &Case<MatmulParams>, binding: &str, elements: usize, random: &mut Random) -> Option<Vec<u32>> {
        let relu = binding == "activation" && case.inputs == Inputs::Random;
        relu.then(|| bits((0..elements).map(|_| random.normal().max(0.0) as f32)))
    }

    fn faults(_operands: Operands) -> &'static [ShaderFault] {
        &[ShaderFault { from: "> Element()", to: ">= Element()" }]
    }
}

/// No epilogue, but also sums the columns of B. In the backward pass of Y = X W + b, with A = X^T and B the gradient of
/// Y, these sums are the gradient of b.
#[derive(Debug)]
pub struct ColumnSums;

impl Epilogue for ColumnSums {
    const PROPORTIONAL: &'static [Relation] =
        &[proportional(&["a"]), Relation::Proportional { of: &["b"], outputs: &["out", "sums"] }];
    const OPERAND: Option<&'static str> = None;
    const FLOPS: u64 = 0;
    const COLUMN_SUMS: bool = true;
    const COMPOSED: bool = true;

    fn parts() -> Vec<&'static str> {
        Plain::parts()
    }

    fn apply<T: Real>(x: T, y: T) -> T {
        Plain::apply(x, y)
    }

    fn error(x: f64, y: f64, of_x: f64, unit: f64) -> f64 {
        Plain::error(x, y, of_x, unit)
    }

    fn faults(_operands: Operands) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "c < params.n) { sums", to: "c + 4u < params.n) { sums" },
            ShaderFault { from: "pack(total, i)", to: "1.0001 * pack(total, i)" },
            ShaderFault { from: "COLUMN_SUMS && row == 0u", to: "COLUMN_SUMS && row == 32u" },
        ]
    }
}
