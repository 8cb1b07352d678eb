//! found\[parts] = NaN and infinity in a\[n]: for each part, the first such element and their count.
//!
//! Tested on the bits (IEEE 754, section 3.4: all exponent bits are set), since comparisons in shaders may assume that
//! there is no NaN.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{BITS, LINEAR, flat_sizes, linear_groups};
use crate::random::Random;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`NonFiniteKernel`].
    pub struct NonFiniteParams {
        /// Elements of the array.
        pub n: u32,
        /// Number of parts; each consists of every `parts`-th element.
        pub parts: u32,
        /// Offset added to element indices: the start of this window within a larger array.
        pub start: u32,
    }
}

impl NonFiniteParams {
    /// Enough parts to keep a device busy, none of them empty.
    pub fn new(n: u32) -> Self {
        Self { n, parts: n.div_ceil(32).clamp(1, 1 << 14), start: 0 }
    }

    /// For one of several windows of an array, which starts at `start`, a multiple of 64 elements: a multiple of 32
    /// parts, so that the windows' results are adjacent slices of one array.
    pub fn of_window(n: u32, start: u32) -> Self {
        let Self { parts, .. } = Self::new(n);
        Self { n, parts: parts.next_multiple_of(32), start }
    }
}

crate::shared! {
    /// [`NONE`] for shaders.
    pub(in crate::ops) PLACES:
    /// No element.
    pub(in crate::ops) NONE: u32 = 0xffff_ffff;
}

/// Finds non-finite numbers.
#[derive(Debug)]
pub struct NonFiniteKernel;

impl Kernel for NonFiniteKernel {
    type Params = NonFiniteParams;

    fn name(&self) -> &'static str {
        "non_finite"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, BITS, PLACES, include_str!("../../../shaders/non_finite.wgsl")])]
    }

    fn groups(&self, params: &NonFiniteParams, _variant: &Variant) -> u64 {
        linear_groups(params.parts.into())
    }

    fn flops(&self, _params: &NonFiniteParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &NonFiniteParams, args: &mut Args<'_, T>) {
        let (a, found) = (args.real("a"), args.word_mut("found"));
        // Almost always nothing is found, which a linear scan determines fastest.
        if a.par_chunks(1 << 14).all(|chunk| chunk.iter().fold(true, |all, x| all & x.is_finite())) {
            found.chunks_exact_mut(2).for_each(|found| found.copy_from_slice(&[NONE, 0]));
            return;
        }
        let of_part = |(part, found): (usize, &mut [u32])| {
            let mut bad = (part..a.len()).step_by(params.parts as usize).filter(|&i| !a[i].is_finite());
            let first = bad.next();
            found[0] = first.map_or(NONE, |i| params.start + i as u32);
            found[1] = first.map_or(0, |_| 1 + bad.count() as u32);
        };
        found.par_chunks_exact_mut(2).enumerate().with_min_len(256).for_each(of_part);
    }

    /// Exact: words are equal or not.
    fn tolerance(&self, _case: &Case<NonFiniteParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(0)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<NonFiniteParams>> {
        let case = |(i, n): (usize, u32)| {
            let params = NonFiniteParams::new(n);
            // Some with fewer parts than in a plan, for more loop iterations.
            let parts = if i % 3 == 0 { params.parts.div_ceil(3) } else { params.parts };
            let start = if i % 2 == 0 { 0 } else { 64 * i as u32 };
            Case::new(NonFiniteParams { parts, start, ..params }, Inputs::Random)
        };
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    /// Finite values up to the largest, with few or many non-finite ones among them.
    fn fill(&self, _: &Case<NonFiniteParams>, _: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        const NOT_FINITE: [u32; 6] = [0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_dead, 0x7f80_0001, 0xffff_ffff];
        const FINITE: [u32; 4] = [0x7f7f_ffff, 0xff7f_ffff, 0x0000_0001, 0x8000_0000];
        let one_in = [2, 40, 2000][random.below(3) as usize];
        let mut word = || match random.below(one_in) {
            0 => NOT_FINITE[random.below(6) as usize],
            _ if random.below(4) == 0 => FINITE[random.below(4) as usize],
            _ => (random.normal() as f32).to_bits(),
        };
        Some((0..n).map(|_| word()).collect())
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("counts, which are compared exactly")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "== 0x7f800000u", to: "> 0x7f800000u" },
            ShaderFault { from: "bitcast<u32>(x) & 0x7f800000u", to: "bitcast<u32>(x) & 0xff800000u" },
            ShaderFault { from: "min(first, params.start + i)", to: "params.start + i" },
            ShaderFault { from: "params.start + i", to: "i" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
            ShaderFault { from: "i += params.parts", to: "i += 2u * params.parts" },
            ShaderFault { from: "part >= params.parts", to: "part + 1u >= params.parts" },
        ]
    }
}

impl Registered for NonFiniteKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("detects non-finite numbers")
    }
}
