//! The gradients of a layer's weight and bias, and their Adam step, in one pass: the update uses the product while it
//! is still in registers.

use super::epilogue::{Epilogue, Plain};
use super::family::{Family, Vectors};
use super::kernel::{FEW_SHAPES, TN_COLUMN_SUMS, shapes};
use super::params::{MatmulParams, Operands};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{RATES, UNIT, bits, rate};
use crate::ops::update::adam::{self, AdamParams, Betas};
use crate::plan::{ALIGNMENT_WORDS, Dispatch, SlotId};
use crate::random::Random;
use std::ops::Range;

crate::params! {
    /// Parameters of [`TnAdamKernel`].
    pub struct TnAdamParams {
        /// Rows of the weight.
        pub m: u32,
        /// Batch size.
        pub k: u32,
        /// Columns of the weight, and elements of the bias.
        pub n: u32,
        /// Elements of the arena that contains both.
        pub total: u32,
        /// Offset of the weight, a multiple of 4.
        pub weight_at: u32,
        /// Offset of the bias, a multiple of 4.
        pub bias_at: u32,
        /// Decays of the two moments.
        pub betas: Betas,
        /// As in [`AdamParams`].
        pub epsilon: f32,
        /// Weight decay of the weight; the bias has none.
        pub decay: f32,
    }
}

/// Alignment of tensors in an arena, in words.
const ALIGNMENT: u32 = ALIGNMENT_WORDS as u32;

impl TnAdamParams {
    /// This product with the settings of `adam`; the weight decays if anything does.
    pub fn new(product: MatmulParams, adam: AdamParams, [weight_at, bias_at]: [u32; 2]) -> Self {
        let MatmulParams { m, k, n } = product;
        let AdamParams { n: total, betas, epsilon, decayed, decay } = adam;
        let decay = if decayed > 0 { decay } else { 0.0 };
        Self { m, k, n, total, weight_at, bias_at, betas, epsilon, decay }
    }

    fn product(&self) -> MatmulParams {
        MatmulParams { m: self.m, k: self.k, n: self.n }
    }

    fn adam(&self, n: u32, decay: f32) -> AdamParams {
        let decayed = if decay > 0.0 { n } else { 0 };
        AdamParams { n, betas: self.betas, epsilon: self.epsilon, decayed, decay }
    }

    /// Weight and bias: the output with its gradient, its range in the arena, and its update.
    fn tensors(&self) -> [(&'static str, Range<usize>, AdamParams); 2] {
        let weights = self.m * self.n;
        let range = |at: u32, n: u32| at as usize..(at + n) as usize;
        let weight = ("out", range(self.weight_at, weights), self.adam(weights, self.decay));
        [weight, ("sums", range(self.bias_at, self.n), self.adam(self.n, 0.0))]
    }
}

/// For a dispatch of [`TN_COLUMN_SUMS`]: the product, and its outputs, the gradients of a weight and a bias.
pub fn gradients_of_layer(dispatch: &Dispatch) -> Option<(MatmulParams, [SlotId; 2])> {
    let gives = dispatch.kernel.name() == Kernel::name(&TN_COLUMN_SUMS);
    let outputs = [dispatch.slot("out")?, dispatch.slot("sums").filter(|_| gives)?];
    Some((bytemuck::pod_read_unaligned(&dispatch.params), outputs))
}

/// A^T B and the column sums of B, and the Adam step of the arena elements whose gradients these are.
#[derive(Debug)]
pub struct TnAdamKernel;

/// The product's instance.
pub static TN_ADAM: TnAdamKernel = TnAdamKernel;

impl TnAdamKernel {
    fn variant(&self, family: Family, vectors: Vectors) -> Variant {
        let epilogue = include_str!("../../../shaders/lib/epilogue_adam.wgsl");
        let sums = include_str!("../../../shaders/lib/column_sums_adam.wgsl");
        family.variant(Operands::TN, &[RATES, adam::ADAM_STEP, epilogue, sums], vectors)
    }
}

impl Kernel for TnAdamKernel {
    type Params = TnAdamParams;

    fn name(&self) -> &'static str {
        "matmul_tn_adam"
    }

    fn body(&self) -> &'static str {
        Kernel::body(&TN_COLUMN_SUMS)
    }

    fn is_composed(&self) -> bool {
        true
    }

    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let vectors = Vectors::all(Operands::TN);
        Family::all(caps).into_iter().flat_map(|family| vectors.map(|vectors| self.variant(family, vectors))).collect()
    }

    fn choose(&self, params: &TnAdamParams, caps: &Caps) -> Variant {
        let product = params.product();
        self.variant(Family::choose(&product, caps), Vectors::of(&product, Operands::TN))
    }

    fn candidates(&self, params: &TnAdamParams, caps: &Caps) -> Vec<Variant> {
        let vectors = Vectors::of(&params.product(), Operands::TN);
        Family::all(caps).into_iter().map(|family| self.variant(family, vectors)).collect()
    }

    fn accepts(&self, params: &TnAdamParams, variant: &Variant) -> bool {
        Kernel::accepts(&TN_COLUMN_SUMS, &params.product(), variant)
    }

    /// The arena contains only weight and bias.
    fn consistent(&self, params: TnAdamParams) -> TnAdamParams {
        let TnAdamParams { m, n, weight_at, .. } = params;
        let weight_at = weight_at.min(ALIGNMENT);
        let bias_at = (weight_at + m * n).next_multiple_of(ALIGNMENT);
        TnAdamParams { weight_at, bias_at, total: (bias_at + n).next_multiple_of(ALIGNMENT), ..params }
    }

    fn groups(&self, params: &TnAdamParams, variant: &Variant) -> u64 {
        Kernel::groups(&TN_COLUMN_SUMS, &params.product(), variant)
    }

    fn flops(&self, params: &TnAdamParams) -> u64 {
        let updates = params.tensors().map(|(_, _, adam)| Kernel::flops(&adam::AdamKernel, &adam));
        updates.into_iter().fold(Kernel::flops(&TN_COLUMN_SUMS, &params.product()), u64::saturating_add)
    }

    /// Of the arenas, only the updated part.
    fn bytes(&self, params: &TnAdamParams, _bound: u64) -> u64 {
        let TnAdamParams { m, k, n, .. } = *params;
        let factors = operations(4, [k, m]).saturating_add(operations(4, [k, n]));
        // The gradient is written; weight and moments are read and written.
        let updated = operations(28, [m, n]).saturating_add(operations(28, [n]));
        factors.saturating_add(updated).saturating_add(4 * rate::COUNT as u64)
    }

    fn twin<T: Real>(&self, params: &TnAdamParams, args: &mut Args<'_, T>) {
        let (a, b, rates) = (args.real("a"), args.real("b"), args.real("rates"));
        let (out, sums) = (args.real_mut("out"), args.real_mut("sums"));
        let extents = [params.m, params.k, params.n].map(|extent| extent as usize);
        T::matmul(extents, [true, false], a, b, out);
        crate::ops::elementwise::column_sum::column_sums(b, sums);
        let [weight, first, second] = ["weight", "first_moment", "second_moment"].map(|name| args.real_mut(name));
        for ((_, range, adam), gradient) in params.tensors().into_iter().zip([out, sums]) {
            let state = [&mut weight[range.clone()], &mut first[range.clone()], &mut second[range]];
            adam::update(&adam, gradient, rates, state);
        }
    }

    /// Products and sums: as without the update. Updated elements: the bounds of [`adam::AdamKernel`], plus the worst
    /// effect of the gradient's error.
    fn tolerance(&self, case: &Case<TnAdamParams>, output: &str, values: &Values) -> Tolerance {
        let product = case.map(TnAdamParams::product);
        if ["out", "sums"].contains(&output) {
            return Kernel::tolerance(&TN_COLUMN_SUMS, &product, output, values);
        }
        let mut tolerance = Tolerance::exact(values.after(output).len());
        for (gradient, range, adam) in case.params.tensors() {
            let errors = Kernel::tolerance(&TN_COLUMN_SUMS, &product, gradient, values).hard;
            for ((i, &g), error) in range.zip(values.after(gradient)).zip(errors) {
                tolerance.hard[i] += step_error(&adam, output, values, i, [g, error]);
            }
        }
        tolerance
    }

    fn cases(&self, effort: Effort) -> Vec<Case<TnAdamParams>> {
        let shapes = if effort.is_full() { shapes(effort) } else { FEW_SHAPES.to_vec() };
        let case = |(i, [m, k, n]): (usize, [u32; 3])| {
            let decay = if i % 3 == 0 { 0.5 } else { 0.0 };
            let adam = AdamParams { decayed: 4, decay, ..AdamParams::new(0) };
            let weight_at = ALIGNMENT * (i as u32 % 2);
            let params = TnAdamParams::new(MatmulParams { m, k, n }, adam, [weight_at, 0]);
            Case::new(Kernel::consistent(self, params), [Inputs::Random, Inputs::Integers][i / 2 % 2])
        };
        shapes.into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<TnAdamParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        match binding {
            "rates" | "second_moment" => {
                let adam = Case::new(case.params.adam(case.params.total, 0.0), Inputs::Random);
                Kernel::fill(&adam::AdamKernel, &adam, binding, n, random)
            }
            _ => Plain::fill(&case.map(TnAdamParams::product), binding, n, random).or_else(|| {
                // Like gradients, much smaller than the weights.
                let small = binding == "b" && case.inputs == Inputs::Random;
                small.then(|| bits((0..n).map(|_| 0.1 * random.normal() as f32)))
            }),
        }
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("updates weights; its products are covered by matmul_tn_column_sums")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "update((params.bias_at + c)", to: "update((params.weight_at + c)" },
            ShaderFault { from: "params.weight_at + row * params.n", to: "params.weight_at + row * params.m" },
            ShaderFault { from: "sqrt(v_hat) + params.epsilon", to: "sqrt(v_hat) * 1.001" },
            ShaderFault { from: "rates[LEARNING_RATE] * decay", to: "decay" },
        ]
    }
}

impl Registered for TnAdamKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("an update, compared with PyTorch in tests/golden.rs")
    }
}

/// Tolerance of element i of `output`, if its gradient g has that error.
///
/// Moments: the effect of the error, and 4 roundings. Weight: for the quotient m / r, with m and r each within an error
/// of the twin's, |m'/r' - m/r| <= |m' - m| / r' + |m| |1/r' - 1/r|, which is largest for the smallest r'; 16 roundings
/// of the largest step, and for the decay and the weight itself as in Adam.
fn step_error(p: &AdamParams, output: &str, values: &Values, i: usize, [g, error]: [f64; 2]) -> f64 {
    let [beta1, new1, new2] = [p.betas.beta1, p.betas.one_minus_beta1, p.betas.one_minus_beta2].map(f64::from);
    let rates = values.before("rates");
    let largest = beta1 * values.before("first_moment")[i].abs() + new1 * (g.abs() + error);
    let first_error = new1 * error + 4.0 * UNIT * largest;
    let second = values.after("second_moment")[i];
    let second_error = new2 * (2.0 * g.abs() + error) * error + 4.0 * UNIT * second;
    match output {
        "first_moment" => first_error,
        "second_moment" => second_error,
        _ => {
            let root = |second: f64| (second.max(0.0) / rates[rate::CORRECTION2]).sqrt() + f64::from(p.epsilon);
            let (least, exact) = (root(second - second_error), root(second));
            let scale = rates[rate::LEARNING_RATE] / rates[rate::CORRECTION1];
            let moment = values.after("first_moment")[i].abs();
            let step = scale * (first_error / least + moment * (1.0 / least - 1.0 / exact));
            let weight = values.before("weight")[i].abs();
            let decay = rates[rate::LEARNING_RATE] * f64::from(p.decay);
            let decays = if p.decayed > 0 { (1.0 + 4.0 * decay) * weight } else { 0.0 };
            step + UNIT * (16.0 * scale * largest / least + decays + values.after("weight")[i].abs())
        }
    }
}
