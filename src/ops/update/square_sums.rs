//! out\[parts] = sums of a\[n]^2 over interleaved parts of the array: the first stage of its norm.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, UNIT, WORKGROUP_SUM, alternate, flat_sizes};
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`SquareSumsKernel`].
    pub struct SquareSumsParams {
        /// Elements of the array, a multiple of 4.
        pub n: u32,
        /// Number of parts.
        pub parts: u32,
    }
}

impl SquareSumsParams {
    /// Enough parts to keep a device busy, but at most one per workgroup's worth of elements.
    pub fn new(n: u32) -> Self {
        Self { n, parts: n.div_ceil(4 * LANES as u32).clamp(1, LANES as u32) }
    }
}

/// Invocations of a workgroup.
pub(in crate::ops) const LANES: usize = 256;

/// Sums squares in a fixed order: a strided sum per invocation, then halves pairwise.
#[derive(Debug)]
pub struct SquareSumsKernel;

impl Kernel for SquareSumsKernel {
    type Params = SquareSumsParams;

    fn name(&self) -> &'static str {
        "square_sums"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, WORKGROUP_SUM, include_str!("../../../shaders/square_sums.wgsl")])]
    }

    fn groups(&self, params: &SquareSumsParams, _variant: &Variant) -> u64 {
        params.parts.into()
    }

    fn flops(&self, params: &SquareSumsParams) -> u64 {
        2 * u64::from(params.n)
    }

    fn bytes(&self, params: &SquareSumsParams, _bound: u64) -> u64 {
        4 * (u64::from(params.n) + u64::from(params.parts))
    }

    fn twin<T: Real>(&self, params: &SquareSumsParams, args: &mut Args<'_, T>) {
        let (a, out) = (args.real("a"), args.real_mut("out"));
        let part = |(part, out): (usize, &mut T)| {
            let mut squares = [[T::zero(); 4]; LANES];
            for block in a.chunks(4 * LANES).skip(part).step_by(params.parts as usize) {
                for (squares, a) in squares.iter_mut().zip(block.chunks_exact(4)) {
                    squares.iter_mut().zip(a).for_each(|(square, &a)| *square += a * a);
                }
            }
            *out = workgroup_sum(squares.map(|[x, y, z, w]| (x + y) + (z + w)));
        };
        out.par_iter_mut().enumerate().for_each(part);
    }

    /// A square, the strided sum, 2 levels within a vector and 8 within the workgroup, each a rounding of a sum of
    /// positive numbers (Higham, eq. 4.4); a square may flush to zero.
    fn tolerance(&self, case: &Case<SquareSumsParams>, output: &str, values: &Values) -> Tolerance {
        if case.inputs == Inputs::Integers {
            return Tolerance::exact(values.after(output).len());
        }
        let SquareSumsParams { n, parts } = case.params;
        let strided = n.div_ceil(4 * LANES as u32 * parts);
        let roundings = f64::from(strided) + 11.0;
        let flushed = f64::from(4 * LANES as u32 * strided) * f64::from(f32::MIN_POSITIVE);
        Tolerance::each(values.after(output), |sum| roundings * UNIT * sum + flushed)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<SquareSumsParams>> {
        let case = |(i, n): (usize, u32)| {
            let params = SquareSumsParams::new(n.next_multiple_of(4));
            // Some with fewer parts than in a plan, for more loop iterations.
            let parts = if i % 3 == 0 { params.parts.div_ceil(3) } else { params.parts };
            Case::new(SquareSumsParams { parts, ..params }, alternate(i))
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("sums of squares in a different order")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "i += params.parts * WORKGROUP", to: "i += 2u * params.parts * WORKGROUP" },
            ShaderFault { from: "half > 0u", to: "half > 1u" },
        ]
    }
}

impl Registered for SquareSumsKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("operates on gradients")
    }
}

/// The sum over the lanes of a workgroup, in the order of the shaders' `workgroup_sum`.
pub(in crate::ops) fn workgroup_sum<T: Real>(mut sums: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(low, &mut high)| *low += high);
        half /= 2;
    }
    sums[0]
}
