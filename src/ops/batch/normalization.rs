//! NormalizationKernel of inputs: the mean of all bytes, in \[0, 1], and 1 / their standard deviation.
//!
//! With c the byte nearest to the mean, and d = b - c for each byte b of n: mean = (c + sum d / n) / 255, and standard
//! deviation = sqrt(sum d^2 / n - (sum d / n)^2) / 255 (the shifted sums of Chan, Golub and LeVeque, "Algorithms for
//! Computing the Sample Variance", The American Statistician 37(3), 1983, section 3). The sums of d follow exactly from
//! those of [`crate::ops::batch::byte_sums`], which are integers. If all bytes are equal, the reciprocal is 1 and all
//! inputs are 0.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant};
use crate::ops::batch::byte_sums::{ByteSumsParams, CONSTANTS};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, WORKGROUP_SUM, roundings};
use crate::ops::update::square_sums::LANES;
use crate::random::Random;

/// Combines the sums of [`crate::ops::batch::byte_sums::ByteSumsKernel`].
#[derive(Debug)]
pub struct NormalizationKernel;

impl Kernel for NormalizationKernel {
    type Params = ByteSumsParams;

    fn name(&self) -> &'static str {
        "normalization"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        let parts = [LINEAR, WORKGROUP_SUM, include_str!("../../../shaders/normalization.wgsl")];
        vec![Variant::new("plain", &CONSTANTS, &parts)]
    }

    fn groups(&self, _params: &ByteSumsParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, params: &ByteSumsParams) -> u64 {
        10 * u64::from(params.parts)
    }

    fn twin<T: Real>(&self, params: &ByteSumsParams, args: &mut Args<'_, T>) {
        let (sums, normalization) = (args.word("part_sums"), args.real_mut("normalization"));
        let sums = || sums.chunks_exact(2).map(|sums| [i64::from(sums[0]), i64::from(sums[1])]);
        let count = i64::from(params.samples) * i64::from(params.features);
        let total: i64 = sums().map(|[sum, _]| sum).sum();
        let c = (total + count / 2) / count;
        let (mut differences, mut squares) = (0, 0);
        for (part, [sum, square_sum]) in sums().enumerate() {
            let n = params.bytes_in(part);
            differences += sum - c * n;
            squares += square_sum - 2 * c * sum + c * c * n;
        }
        let of = |whole: i64| T::of(whole as f64);
        let (difference, square) = (of(differences) / of(count), of(squares) / of(count));
        normalization[0] = (of(c) + difference) * T::of(1.0 / 255.0);
        normalization[1] = T::one();
        if squares > 0 {
            normalization[1] = of(255) / (square - difference * difference).sqrt();
        }
    }

    /// Let k be the roundings of a sum over parts: 1 to convert, those of a lane, and 8 levels of the workgroup; and m
    /// the mean of d^2. An integer d has |d| <= d^2, so with e the mean of d, between -1/2 and 1/2, the variance v is
    /// at least |e| (1 - |e|), and m = v + e^2 <= 2.1 v, even if rounding chose the other c near a half.
    ///
    /// - The mean of d has an error of at most g_{k+4} times the mean of |d|, which is at most m and sqrt(m) (Higham,
    ///   eq. 4.4; 4 for the quotient and the number of bytes). Adding c and the factor 1/255 are 3 more.
    /// - The variance has the error of m, g_{k+4} m, plus about 2 e times that of the mean of d: together with two
    ///   roundings of its own, 4.5 g_{k+6} v. The root halves that and a quotient follows: 7 more.
    fn tolerance(&self, case: &Case<ByteSumsParams>, output: &str, values: &Values) -> Tolerance {
        let [mean, reciprocal] = [0, 1].map(|i| values.after(output)[i]);
        let tiny = f64::from(f32::MIN_POSITIVE);
        // Impossible for a standard deviation, which is at most a half: all bytes are equal, and only the mean is
        // rounded.
        if reciprocal == 1.0 {
            return Tolerance { hard: vec![roundings(2) * mean + tiny, tiny], soft: None };
        }
        let k = case.params.parts.div_ceil(LANES as u32) as usize + 9;
        let square = 2.1 * (255.0 / reciprocal).powi(2);
        let of_difference = roundings(k + 4) * square.min(square.sqrt()) / 255.0;
        let of_reciprocal = (2.25 * roundings(k + 6) + roundings(7)) * reciprocal;
        Tolerance { hard: vec![of_difference + roundings(3) * mean + tiny, of_reciprocal], soft: None }
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ByteSumsParams>> {
        let mut random = effort.random();
        let mut sizes = vec![[1, 1], [3, 5], [256, 256], [257, 255], [60_000, 784], [50_000, 3072], [2, 40_001]];
        let count = effort.count(8, 2000);
        sizes.extend((0..count).map(|_| [1 + random.below(100_000), 1 + random.below(3000)]));
        if effort.is_full() {
            sizes.push([1_000_000, 4292]); // nearly the binding limit
        }
        let case = |(i, [samples, features]): (usize, [u32; 2])| {
            let params = ByteSumsParams::new(samples as usize, features as usize);
            Case::new(
                params.expect("sizes of cases are small"),
                if i % 2 == 0 { Inputs::Random } else { Inputs::Extreme },
            )
        };
        sizes.into_iter().enumerate().map(case).collect()
    }

    /// Sums of items with two byte values: random parts, or in extreme cases one byte everywhere, and the next byte
    /// nowhere, in the first or in every other part.
    fn fill(&self, case: &Case<ByteSumsParams>, _: &str, words: usize, random: &mut Random) -> Option<Vec<u32>> {
        let (base, rest) = (random.below(255), random.below(4));
        let mut sums = Vec::with_capacity(words);
        for part in 0..words / 2 {
            let n = case.params.bytes_in(part) as u32;
            let strained = [0, u32::from(part == 0), n * u32::from(part % 2 == 1), (n / 2) * u32::from(part % 2 == 0)];
            let (bytes, seconds) = match case.inputs {
                Inputs::Extreme => ([base, base + 1], strained[rest as usize]),
                _ => ([random.below(256), random.below(256)], random.below(n + 1)),
            };
            let sum = |of: fn(u32) -> u32| (n - seconds) * of(bytes[0]) + seconds * of(bytes[1]);
            sums.extend([sum(|byte| byte), sum(|byte| byte * byte)]);
        }
        Some(sums)
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("integer sums, compared exactly, and one rounding")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "total / count + 0.5", to: "0.0" },
            ShaderFault { from: "- 2u * c * s", to: "- c * s" },
            ShaderFault { from: "- difference * difference", to: "" },
            ShaderFault { from: "word / words * params.features", to: "4u * (word - word % words)" },
            ShaderFault { from: "square > 0.0", to: "square > 1e9" },
            ShaderFault { from: "var reciprocal = 1.0", to: "var reciprocal = 255.0" },
        ]
    }
}

impl Registered for NormalizationKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("measures bytes, which are not differentiable")
    }
}
