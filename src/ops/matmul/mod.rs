//! out\[m, n] = A B, with A and B each stored as it is or transposed, and what follows fused into the store.

mod family;
mod graph;

use super::{UNIT, bits, each_row};
use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, Tolerance, Values, Variant, edge_sizes};
use crate::random::Random;
use family::{Family, Vectors};
pub use graph::{MatmulOp, product, with_epilogue};

crate::params! {
    /// Parameters of [`Matmul`].
    pub struct MatmulParams {
        /// Rows of the product.
        pub m: u32,
        /// Length of the sums.
        pub k: u32,
        /// Columns of the product.
        pub n: u32,
    }
}

/// How the factors are stored: N as they enter the product, T transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `a [m, k]`, `b [k, n]`: the forward pass.
    NN,
    /// `a [k, m]`, `b [k, n]`: the gradient of a weight.
    TN,
    /// `a [m, k]`, `b [n, k]`: the gradient of an input.
    NT,
}

/// What is done to each sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    None,
    /// `bias[n]` is added.
    Bias,
    /// `bias[n]` is added, and negative numbers become zero.
    BiasRelu,
    /// Zero where `activation[m, n]`, the output of a ReLU, is not positive: its gradient.
    ReluMask,
}

/// A matrix product. Every layout goes with every epilogue; [`ALL`] lists those in use.
#[derive(Debug)]
pub struct Matmul {
    name: &'static str,
    layout: Layout,
    epilogue: Epilogue,
}

/// A B.
pub static NN: Matmul = Matmul { name: "matmul_nn", layout: Layout::NN, epilogue: Epilogue::None };
/// A^T B.
pub static TN: Matmul = Matmul { name: "matmul_tn", layout: Layout::TN, epilogue: Epilogue::None };
/// A B^T.
pub static NT: Matmul = Matmul { name: "matmul_nt", layout: Layout::NT, epilogue: Epilogue::None };
/// A B + bias.
pub static NN_BIAS: Matmul = Matmul { name: "matmul_nn_bias", layout: Layout::NN, epilogue: Epilogue::Bias };
/// max(A B + bias, 0).
pub static NN_BIAS_RELU: Matmul =
    Matmul { name: "matmul_nn_bias_relu", layout: Layout::NN, epilogue: Epilogue::BiasRelu };
/// A B^T where the activation is positive, else 0.
pub static NT_RELU_MASK: Matmul =
    Matmul { name: "matmul_nt_relu_mask", layout: Layout::NT, epilogue: Epilogue::ReluMask };

/// The products in use.
pub static ALL: [&Matmul; 6] = [&NN, &TN, &NT, &NN_BIAS, &NN_BIAS_RELU, &NT_RELU_MASK];

impl Matmul {
    /// Whether A, and whether B, is stored transposed.
    fn transposed(&self) -> [bool; 2] {
        [self.layout == Layout::TN, self.layout == Layout::NT]
    }
}

impl Epilogue {
    fn source(self) -> &'static str {
        match self {
            Self::None => include_str!("../../../shaders/lib/epilogue_none.wgsl"),
            Self::Bias => include_str!("../../../shaders/lib/epilogue_bias.wgsl"),
            Self::BiasRelu => include_str!("../../../shaders/lib/epilogue_bias_relu.wgsl"),
            Self::ReluMask => include_str!("../../../shaders/lib/epilogue_relu_mask.wgsl"),
        }
    }
}

impl Kernel for Matmul {
    type Params = MatmulParams;

    fn name(&self) -> &'static str {
        self.name
    }

    fn body(&self) -> &'static str {
        match self.layout {
            Layout::NN => NN.name,
            Layout::TN => TN.name,
            Layout::NT => NT.name,
        }
    }

    fn variants(&self, caps: &Caps) -> Vec<Variant> {
        let vectors = Vectors::all(self.layout);
        let forms = |family: Family| vectors.map(|vectors| family.variant(self.layout, self.epilogue, vectors));
        Family::all(caps).into_iter().flat_map(forms).collect()
    }

    fn choose(&self, params: &MatmulParams, caps: &Caps) -> Variant {
        let family = Family::choose(params, self.epilogue, caps);
        family.variant(self.layout, self.epilogue, Vectors::of(params, self.layout))
    }

    fn accepts(&self, params: &MatmulParams, variant: &Variant) -> bool {
        let most = Vectors::of(params, self.layout);
        let named = |vectors: &Vectors| variant.name.ends_with(&format!("-{}", vectors.name()));
        Vectors::all(self.layout).into_iter().find(named).is_some_and(|vectors| vectors.within(most))
    }

    fn groups(&self, params: &MatmulParams, variant: &Variant) -> u64 {
        let [rows, columns] = variant.tile;
        u64::from(params.m.div_ceil(rows)) * u64::from(params.n.div_ceil(columns))
    }

    fn flops(&self, params: &MatmulParams) -> u64 {
        let [m, k, n] = [params.m, params.k, params.n].map(u64::from);
        let epilogue = match self.epilogue {
            Epilogue::None => 0,
            Epilogue::Bias | Epilogue::ReluMask => 1,
            Epilogue::BiasRelu => 2,
        };
        m * n * (2 * k + epilogue)
    }

    fn twin<T: Real>(&self, params: &MatmulParams, args: &mut Args<'_, T>) {
        let (a, b, out) = (args.real("a"), args.real("b"), args.real_mut("out"));
        let [m, k, n] = [params.m, params.k, params.n].map(|extent| extent as usize);
        T::matmul([m, k, n], self.transposed(), a, b, out);
        match self.epilogue {
            Epilogue::None => {}
            Epilogue::Bias => {
                let bias = args.real("bias");
                each_row(out, n, |_, out| out.iter_mut().zip(bias).for_each(|(x, &bias)| *x += bias));
            }
            Epilogue::BiasRelu => {
                let bias = args.real("bias");
                let apply = |(x, &bias): (&mut T, &T)| *x = (*x + bias).max(T::zero());
                each_row(out, n, |_, out| out.iter_mut().zip(bias).for_each(apply));
            }
            Epilogue::ReluMask => {
                let activation = args.real("activation");
                let apply = |(x, &activation): (&mut T, &T)| {
                    *x = if activation > T::zero() { *x } else { T::zero() };
                };
                each_row(out, n, |row, out| out.iter_mut().zip(&activation[row * n..]).for_each(apply));
            }
        }
    }

    /// Hard: g_k sum |a b|, with g_k = k u / (1 - k u), for sums in any order (Higham, "Accuracy and Stability of
    /// Numerical Algorithms", 2nd ed., eq. 3.5), and k products that may be flushed to zero. Soft: rounding errors that
    /// do not all point one way grow with the root of k (Higham, section 2.8). The epilogue adds one rounding.
    fn tolerance(&self, case: &Case<MatmulParams>, _output: &str, values: &Values) -> Tolerance {
        let [m, k, n] = [case.params.m, case.params.k, case.params.n].map(|extent| extent as usize);
        if case.inputs == Inputs::Integers {
            return Tolerance::exact(m * n);
        }
        let magnitude = |name: &str| values.before(name).iter().map(|x| x.abs()).collect::<Vec<_>>();
        let mut sums = vec![0.0; m * n];
        f64::matmul([m, k, n], self.transposed(), &magnitude("a"), &magnitude("b"), &mut sums);
        // What an epilogue's rounding works on; a mask rounds nothing.
        let rounded: Vec<f64> = match self.epilogue {
            Epilogue::None | Epilogue::ReluMask => vec![0.0; m * n],
            Epilogue::Bias | Epilogue::BiasRelu => {
                let bias = magnitude("bias");
                sums.iter().enumerate().map(|(i, sum)| sum + bias[i % n]).collect()
            }
        };
        let (ku, tiny) = (k as f64 * UNIT, k as f64 * f64::from(f32::MIN_POSITIVE));
        let soft = 4.0 * (k as f64).sqrt() * UNIT / 2.0;
        let gate = |factor: f64| {
            sums.iter().zip(&rounded).map(|(sum, rounded)| factor * sum + UNIT * rounded + tiny).collect::<Vec<_>>()
        };
        Tolerance { hard: gate(ku / (1.0 - ku)), soft: Some(gate(soft)) }
    }

    /// Every triple of edge sizes, and random ones.
    fn cases(&self, effort: Effort) -> Vec<Case<MatmulParams>> {
        let sizes = edge_sizes();
        let mut random = effort.random();
        let mut shapes = Vec::new();
        for (i, &m) in sizes.iter().enumerate() {
            for (j, &k) in sizes.iter().enumerate() {
                for (l, &n) in sizes.iter().enumerate() {
                    // The short form keeps a seventh of the triples, such that every pair of sizes stays.
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
        let kinds = [Inputs::Random, Inputs::Integers];
        let case = |(i, [m, k, n]): (usize, [u32; 3])| Case::new(MatmulParams { m, k, n }, kinds[i % 2]);
        shapes.into_iter().enumerate().map(case).collect()
    }

    fn fill(&self, case: &Case<MatmulParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        // Half the activations of a ReLU are zero.
        let relu = binding == "activation" && case.inputs == Inputs::Random;
        relu.then(|| bits((0..n).map(|_| random.normal().max(0.0) as f32)))
    }
}
