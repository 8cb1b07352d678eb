//! The product kernel with any epilogue.

use super::epilogue::{Bias, BiasRelu, ColumnSums, Epilogue, Plain, ReluMask};
use super::family::{Family, Vectors};
use super::params::{MatmulParams, Operands};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, edge_sizes,
    operations,
};
use crate::ops::elementwise::column_sum::{column_sum_tolerance, column_sums};
use crate::ops::gradient_check::Registered;
use crate::ops::support::{UNIT, each_row, roundings};
use crate::random::Random;
use std::marker::PhantomData;

/// A matrix product with an epilogue.
#[derive(Debug)]
pub struct MatmulKernel<E> {
    name: &'static str,
    operands: Operands,
    epilogue: PhantomData<E>,
}

/// The kernel of a product with any epilogue.
pub trait Product: Registered {
    /// How the factors are stored.
    fn operands(&self) -> Operands;

    /// The binding of the epilogue's operand.
    fn operand(&self) -> Option<&'static str>;

    /// Whether there is a second output `sums[n]`, the column sums of B.
    fn has_column_sums(&self) -> bool;
}

impl<E: Epilogue> Product for MatmulKernel<E> {
    fn operands(&self) -> Operands {
        self.operands
    }

    fn operand(&self) -> Option<&'static str> {
        E::OPERAND
    }

    fn has_column_sums(&self) -> bool {
        E::COLUMN_SUMS
    }
}

/// A B.
pub static NN: MatmulKernel<Plain> = MatmulKernel::new("matmul_nn", Operands::NN);
/// A^T B.
pub static TN: MatmulKernel<Plain> = MatmulKernel::new("matmul_tn", Operands::TN);
/// A B^T.
pub static NT: MatmulKernel<Plain> = MatmulKernel::new("matmul_nt", Operands::NT);
/// A B + bias.
pub static NN_BIAS: MatmulKernel<Bias> = MatmulKernel::new("matmul_nn_bias", Operands::NN);
/// max(A B + bias, 0).
pub static NN_BIAS_RELU: MatmulKernel<BiasRelu> = MatmulKernel::new("matmul_nn_bias_relu", Operands::NN);
/// A B^T where the activation is positive, else 0.
pub static NT_RELU_MASK: MatmulKernel<ReluMask> = MatmulKernel::new("matmul_nt_relu_mask", Operands::NT);

/// A^T B, and the column sums of B.
pub static TN_COLUMN_SUMS: MatmulKernel<ColumnSums> = MatmulKernel::new("matmul_tn_column_sums", Operands::TN);

impl<E: Epilogue> MatmulKernel<E> {
    pub(in crate::ops) const fn new(name: &'static str, operands: Operands) -> Self {
        Self { name, operands, epilogue: PhantomData }
    }

    /// Whether A and B are stored transposed.
    fn transposed(&self) -> [bool; 2] {
        [self.operands == Operands::TN, self.operands == Operands::NT]
    }

    fn variant(&self, family: Family, vectors: Vectors) -> Variant {
        let sums = if E::COLUMN_SUMS {
            include_str!("../../../shaders/lib/column_sums.wgsl")
        } else {
            include_str!("../../../shaders/lib/no_column_sums.wgsl")
        };
        let params = include_str!("../../../shaders/lib/matmul_params.wgsl");
        family.variant(self.operands, &[&[params][..], &E::parts(), &[sums]].concat(), vectors)
    }
}

impl<E: Epilogue> Kernel for MatmulKernel<E> {
    type Params = MatmulParams;

    fn name(&self) -> &'static str {
        self.name
    }

    fn body(&self) -> &'static str {
        match self.operands {
            Operands::NN => NN.name,
            Operands::TN => TN.name,
            Operands::NT => NT.name,
        }
    }

    fn is_composed(&self) -> bool {
        E::COMPOSED
    }

    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let vectors = Vectors::all(self.operands);
        Family::all(caps).into_iter().flat_map(|family| vectors.map(|vectors| self.variant(family, vectors))).collect()
    }

    fn choose(&self, params: &MatmulParams, caps: &Caps) -> Variant {
        let family = Family::choose(params, caps);
        self.variant(family, Vectors::of(params, self.operands))
    }

    /// Every family with as many vector accesses as the shape allows.
    fn candidates(&self, params: &MatmulParams, caps: &Caps) -> Vec<Variant> {
        let vectors = Vectors::of(params, self.operands);
        Family::all(caps).into_iter().map(|family| self.variant(family, vectors)).collect()
    }

    fn accepts(&self, params: &MatmulParams, variant: &Variant) -> bool {
        let most = Vectors::of(params, self.operands);
        let named = |vectors: &Vectors| variant.name.ends_with(&format!("-{}", vectors.name()));
        Vectors::all(self.operands).into_iter().find(named).is_some_and(|vectors| vectors.within(most))
    }

    fn groups(&self, params: &MatmulParams, variant: &Variant) -> u64 {
        let [rows, columns] = variant.tile;
        u64::from(params.m.div_ceil(rows)) * u64::from(params.n.div_ceil(columns))
    }

    fn flops(&self, params: &MatmulParams) -> u64 {
        let products = operations(2 * u64::from(params.k) + E::FLOPS, [params.m, params.n]);
        let sums = if E::COLUMN_SUMS { operations(1, [params.k, params.n]) } else { 0 };
        products.saturating_add(sums)
    }

    fn twin<T: Real>(&self, params: &MatmulParams, args: &mut Args<'_, T>) {
        let (a, b, out) = (args.real("a"), args.real("b"), args.real_mut("out"));
        let [m, k, n] = [params.m, params.k, params.n].map(|extent| extent as usize);
        T::matmul([m, k, n], self.transposed(), a, b, out);
        if E::COLUMN_SUMS {
            column_sums(b, args.real_mut("sums"));
        }
        let Some(operand) = E::OPERAND.map(|name| args.real(name)) else { return };
        each_row(out, n, |row, out| {
            let operand = &operand[row * n % operand.len()..]; // a row operand is broadcast
            out.iter_mut().zip(operand).for_each(|(x, &y)| *x = E::apply(*x, y));
        });
    }

    /// Hard: g_k sum |a b|, with g_k = k u / (1 - k u), for sums in any order (Higham, "Accuracy and Stability of
    /// Numerical Algorithms", 2nd ed., eq. 3.5), and k products that may be flushed to zero. Soft: rounding errors with
    /// random signs grow with the root of k (Higham, section 2.8). The epilogue transforms both.
    fn tolerance(&self, case: &Case<MatmulParams>, output: &str, values: &Values) -> Tolerance {
        if output == "sums" {
            return column_sum_tolerance([case.params.k, case.params.n], case.inputs, values.before("b"));
        }
        let [m, k, n] = [case.params.m, case.params.k, case.params.n].map(|extent| extent as usize);
        let product = |a: &[f64], b: &[f64]| {
            let mut sums = vec![0.0; m * n];
            f64::matmul([m, k, n], self.transposed(), a, b, &mut sums);
            sums
        };
        let (a, b) = (values.before("a"), values.before("b"));
        let magnitude = |numbers: &[f64]| numbers.iter().map(|x| x.abs()).collect::<Vec<_>>();
        let (sums, magnitudes) = (product(a, b), product(&magnitude(a), &magnitude(b)));
        let operand = E::OPERAND.map_or(&[0.0][..], |name| values.before(name));
        let gate = |factor: f64, tiny: f64, unit: f64| {
            let error = |(i, (&x, magnitude)): (usize, (&f64, &f64))| {
                E::error(x, operand[i % operand.len()], factor * magnitude + tiny, unit)
            };
            sums.iter().zip(&magnitudes).enumerate().map(error).collect::<Vec<_>>()
        };
        let smallest = f64::from(f32::MIN_POSITIVE);
        if case.inputs == Inputs::Integers {
            return Tolerance { hard: gate(0.0, smallest, 0.0), soft: None };
        }
        let tiny = k as f64 * smallest;
        let soft = 4.0 * (k as f64).sqrt() * UNIT / 2.0;
        Tolerance { hard: gate(roundings(k), tiny, UNIT), soft: Some(gate(soft, tiny, UNIT)) }
    }

    fn relations(&self) -> Vec<Relation> {
        [&[Relation::Apart("m"), Relation::Apart("n")], E::PROPORTIONAL].concat()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        E::faults(self.operands)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<MatmulParams>> {
        let case = |[m, k, n]: [u32; 3], inputs| Case::new(MatmulParams { m, k, n }, inputs);
        if E::COMPOSED && !effort.is_full() {
            let kinds = [Inputs::Random, Inputs::Integers, Inputs::Extreme];
            return FEW_SHAPES.iter().enumerate().map(|(i, &shape)| case(shape, kinds[i / 2 % 3])).collect();
        }
        let kinds = [Inputs::Random, Inputs::Integers];
        shapes(effort).into_iter().enumerate().map(|(i, shape)| case(shape, kinds[i % 2])).collect()
    }

    fn fill(&self, case: &Case<MatmulParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        E::fill(case, binding, n, random)
    }
}

/// m, k and n: every triple of edge sizes, and random ones.
pub(super) fn shapes(effort: Effort) -> Vec<[u32; 3]> {
    let sizes = edge_sizes();
    let mut random = effort.random();
    let mut shapes = Vec::new();
    for (i, &m) in sizes.iter().enumerate() {
        for (j, &k) in sizes.iter().enumerate() {
            for (l, &n) in sizes.iter().enumerate() {
                // The quick run keeps a seventh of the triples, such that every pair of sizes remains.
                if effort.is_full() || (i + 2 * j + 3 * l) % 7 == 0 {
                    shapes.push([m, k, n]);
                }
            }
        }
    }
    let count = effort.count(20, 1000);
    let mut random_extent = || 1 + random.below(200);
    shapes.extend((0..count).map(|_| [random_extent(), random_extent(), random_extent()]));
    shapes.extend([[128, 784, 100], [33, 1000, 10], [100, 10, 300]]);
    shapes
}

/// Alternating between all-vector and all-scalar access.
pub(super) const FEW_SHAPES: [[u32; 3]; 12] = [
    [33, 8, 36],
    [3, 2, 5],
    [32, 16, 32],
    [33, 7, 65],
    [129, 12, 40],
    [1, 1, 1],
    [64, 256, 68],
    [31, 33, 17],
    [34, 4, 64],
    [16, 15, 31],
    [40, 64, 132],
    [65, 129, 7],
];
