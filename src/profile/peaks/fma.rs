//! Pure multiply-adds.

use crate::kernel::{Args, Caps, Case, Effort, Inputs, Kernel, LINEAR, Real, Tolerance, Values, Variant, WORKGROUP};

crate::params! {
    /// Parameters of [`FmaKernel`].
    pub struct FmaParams {
        /// Invocations.
        pub n: u32,
        /// Number of times each invocation runs [`FmaKernel::STEPS`] steps.
        pub rounds: u32,
        /// Factor.
        pub factor: f32,
        /// Addend.
        pub term: f32,
    }
}

impl FmaParams {
    /// Each step adds 1, so the outputs count steps.
    pub fn counting(n: u32, rounds: u32) -> Self {
        Self { n, rounds, factor: 1.0, term: 1.0 }
    }
}

/// Runs multiply-adds in eight independent chains per invocation.
#[derive(Debug)]
pub struct FmaKernel {
    half: bool,
}

/// f32.
pub static F32: FmaKernel = FmaKernel { half: false };
/// f16, on adapters that support it.
pub static F16: FmaKernel = FmaKernel { half: true };

impl FmaKernel {
    /// Multiply-adds of a chain per round; f16 counts them exactly.
    pub const STEPS: u32 = 64;
    const CHAINS: u32 = 8;
}

impl Kernel for FmaKernel {
    type Params = FmaParams;

    fn name(&self) -> &'static str {
        if self.half { "peak_fma_f16" } else { "peak_fma_f32" }
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        // `enable` directives must come first in a shader.
        let number = if self.half { "enable f16;\nalias Number = f16;\n" } else { "alias Number = f32;\n" };
        vec![Variant::plain(&[number, "const STEPS = 64u;\n", LINEAR, include_str!("../../../shaders/peaks/fma.wgsl")])]
    }

    fn groups(&self, params: &FmaParams, _variant: &Variant) -> u64 {
        params.n.div_ceil(WORKGROUP).into()
    }

    fn flops(&self, params: &FmaParams) -> u64 {
        2 * u64::from(Self::CHAINS * Self::STEPS) * u64::from(params.rounds) * u64::from(params.n)
    }

    fn twin<T: Real>(&self, params: &FmaParams, args: &mut Args<'_, T>) {
        let out = args.real_mut("out");
        let (factor, term) = (T::of(params.factor.into()), T::of(params.term.into()));
        let back = term * T::of(Self::STEPS.into());
        // Chains start at one of four values, depending on the invocation.
        let total = |i: usize| {
            let start = |chain: u32| T::of(f64::from(chain) + i as f64);
            let mut chains: Vec<T> = (0..Self::CHAINS).map(start).collect();
            let mut total = T::zero();
            for _ in 0..params.rounds {
                for x in &mut chains {
                    *x = (0..Self::STEPS).fold(*x, |x, _| x * factor + term);
                }
                total += chains.iter().copied().sum();
                chains.iter_mut().for_each(|x| *x = *x - back);
            }
            total
        };
        let totals: [T; 4] = std::array::from_fn(total);
        out.iter_mut().enumerate().for_each(|(i, out)| *out = totals[i % 4]);
    }

    /// All values are integers below 2^24 (chains below 2048): nothing is rounded.
    fn tolerance(&self, case: &Case<FmaParams>, _output: &str, _values: &Values) -> Tolerance {
        Tolerance::exact(case.params.n as usize)
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<FmaParams>> {
        let sizes = [(1, 1), (3, 40), (255, 2), (256, 7), (257, 3), (1025, 1)];
        sizes.map(|(n, rounds)| Case::new(FmaParams::counting(n, rounds), Inputs::Integers)).to_vec()
    }
}
