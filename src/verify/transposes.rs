//! Three mathematically equal ways to compute a product: with either factor stored transposed, and as (A B)^T = B^T
//! A^T. For integers the results are equal; otherwise each is within the bound, so two differ by at most twice that.

use super::bench::{Bench, Outcome};
use super::case::{POISON, Prepared, prepare};
use super::compare::Worst;
use crate::error::Result;
use crate::gpu::{Checks, Pipeline, Run};
use crate::kernel::{AnyKernel, Case, Inputs};
use crate::ops::matmul::{self, MatmulParams};

/// Rows of A, columns of A, columns of B: with and without remainders of tiles and vectors.
const SHAPES: [[u32; 3]; 6] = [[1, 1, 1], [33, 17, 65], [64, 128, 40], [5, 200, 3], [128, 784, 12], [129, 64, 36]];

/// One way: its kernel, whether A and B are passed transposed, and whether B is passed before A.
struct Way {
    name: &'static str,
    kernel: &'static dyn AnyKernel,
    transposed: [bool; 2],
    swapped: bool,
}

static WAYS: [Way; 3] = [
    Way { name: "A-stored-transposed", kernel: &matmul::TN, transposed: [true, false], swapped: false },
    Way { name: "B-stored-transposed", kernel: &matmul::NT, transposed: [false, true], swapped: false },
    Way { name: "of-the-transposes", kernel: &matmul::NN, transposed: [true, true], swapped: true },
];

pub(super) fn entries() -> Vec<&'static str> {
    WAYS.iter().map(|way| way.name).collect()
}

/// Compares one way with the plain product.
pub(super) async fn run(bench: &Bench<'_>, entry: &str) -> Result<Outcome> {
    let Some(way) = WAYS.iter().find(|way| way.name == entry) else {
        return Ok(Outcome::NotRun(format!("unknown product {entry:?}")));
    };
    let named = |kernel: &dyn AnyKernel| bench.kernels.iter().find(|other| other.name() == kernel.name()).copied();
    let (Some(plain), Some(other)) = (named(&matmul::NN), named(way.kernel)) else {
        return Ok(Outcome::NotRun(format!("needs both {} and matmul_nn among the kernels", way.kernel.name())));
    };
    let mut random = bench.effort.random();
    let mut extent = || 1 + random.below(200);
    let drawn: Vec<_> = (0..bench.effort.count(0, 100)).map(|_| [extent(), extent(), extent()]).collect();
    let mut worst = Worst { ulps: None, ..Worst::default() };
    for (index, &shape) in SHAPES.iter().chain(&drawn).enumerate() {
        for inputs in [Inputs::Integers, Inputs::Random] {
            let [m, k, n] = shape;
            let case = Case::new(bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec(), inputs);
            let (prepared, expected) = product(bench, plain, case, index).await?;
            let found = way.product(bench, other, &prepared, shape).await?;
            let bounds = &prepared.tolerances[2].hard;
            for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
                let exact = inputs == Inputs::Integers && expected == found;
                let [expected, found] = [expected, found].map(|word| f64::from(f32::from_bits(*word)));
                let (difference, bound) = ((expected - found).abs(), 2.0 * bounds[i]);
                let agree = exact || (inputs == Inputs::Random && difference <= bound);
                if !agree {
                    let what = format!("{m}x{k}x{n} of {inputs:?} numbers, element {i}");
                    return Ok(Outcome::Wrong(format!("{what}: {found:e}, but A B gives {expected:e}")));
                }
                worst.hard = worst.hard.max(difference / bound.max(f64::MIN_POSITIVE));
            }
            worst.cases += 1;
        }
    }
    Ok(Outcome::Fine(worst))
}

/// A case of the plain product, and its result.
async fn product(
    bench: &Bench<'_>,
    kernel: &'static dyn AnyKernel,
    case: Case<Vec<u8>>,
    index: usize,
) -> Result<(Prepared, Vec<u32>)> {
    let variant = kernel.choose(&case.params, &bench.gpu.caps);
    let pipeline = Pipeline::new(&bench.gpu, kernel, &variant, Checks::Off).await?;
    let prepared = prepare(kernel, &pipeline.reflection, case, bench.effort.seed(), index)?;
    let params = &prepared.case.params;
    let run = Run { params, groups: kernel.groups(params, &variant), arrays: &prepared.words };
    let mut made = pipeline.run(&bench.gpu, run).await?.pop().unwrap_or_default();
    made.truncate(prepared.lengths[2]);
    Ok((prepared, made))
}

impl Way {
    /// The result of this way for a case of the plain product, in its order.
    async fn product(
        &self,
        bench: &Bench<'_>,
        kernel: &'static dyn AnyKernel,
        prepared: &Prepared,
        [m, k, n]: [u32; 3],
    ) -> Result<Vec<u32>> {
        let factor = |i: usize, rows: u32| {
            let words = &prepared.words[i][..prepared.lengths[i]];
            if self.transposed[i] { transposed(words, rows as usize) } else { words.to_vec() }
        };
        let (a, b, out) = (factor(0, m), factor(1, k), vec![POISON; prepared.lengths[2]]);
        let (arrays, [m, n]) = if self.swapped { ([b, a, out], [n, m]) } else { ([a, b, out], [m, n]) };
        let params = bytemuck::bytes_of(&MatmulParams { m, k, n }).to_vec();
        let variant = kernel.choose(&params, &bench.gpu.caps);
        let pipeline = Pipeline::new(&bench.gpu, kernel, &variant, Checks::Off).await?;
        let run = Run { params: &params, groups: kernel.groups(&params, &variant), arrays: &arrays };
        let made = pipeline.run(&bench.gpu, run).await?.pop().unwrap_or_default();
        Ok(if self.swapped { transposed(&made, m as usize) } else { made })
    }
}

/// Transposes a matrix with `rows` rows.
fn transposed(words: &[u32], rows: usize) -> Vec<u32> {
    let columns = words.len() / rows;
    (0..columns).flat_map(|column| words.iter().skip(column).step_by(columns)).copied().collect()
}
