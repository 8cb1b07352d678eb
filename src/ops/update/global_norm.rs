//! norm = sqrt(sum of squares\[parts]): the second stage of an array's norm.

use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, ShaderFault, Tolerance, Values, Variant, edge_sizes,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, UNIT, WORKGROUP_SUM, bits};
use crate::ops::update::square_sums::{LANES, workgroup_sum};
use crate::random::Random;

crate::params! {
    /// Parameters of [`GlobalNormKernel`].
    pub struct GlobalNormParams {
        /// Sums of squares, at most 256.
        pub parts: u32,
    }
}

/// Combines the sums of [`crate::ops::update::square_sums::SquareSumsKernel`].
#[derive(Debug)]
pub struct GlobalNormKernel;

impl Kernel for GlobalNormKernel {
    type Params = GlobalNormParams;

    fn name(&self) -> &'static str {
        "global_norm"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, WORKGROUP_SUM, include_str!("../../../shaders/global_norm.wgsl")])]
    }

    fn groups(&self, _params: &GlobalNormParams, _variant: &Variant) -> u64 {
        1
    }

    fn flops(&self, params: &GlobalNormParams) -> u64 {
        u64::from(params.parts) + 1
    }

    fn twin<T: Real>(&self, _params: &GlobalNormParams, args: &mut Args<'_, T>) {
        let (squares, norm) = (args.real("squares"), args.real_mut("norm"));
        let mut lanes = [T::zero(); LANES];
        lanes.iter_mut().zip(squares).for_each(|(lane, &square)| *lane = square);
        norm[0] = workgroup_sum(lanes).sqrt();
    }

    /// 8 roundings of a sum of positive numbers (Higham, eq. 4.4), halved by the root, and 4 of the root, which WGSL
    /// defines as 1 / inverseSqrt.
    fn tolerance(&self, _case: &Case<GlobalNormParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::each(values.after(output), |norm| 8.0 * UNIT * norm + f64::from(f32::MIN_POSITIVE))
    }

    fn cases(&self, _effort: Effort) -> Vec<Case<GlobalNormParams>> {
        let sizes = edge_sizes().into_iter().chain([255, 256]);
        sizes.map(|parts| Case::new(GlobalNormParams { parts }, Inputs::Random)).collect()
    }

    fn fill(&self, _: &Case<GlobalNormParams>, binding: &str, n: usize, random: &mut Random) -> Option<Vec<u32>> {
        (binding == "squares").then(|| bits((0..n).map(|_| 100.0 * (random.normal() as f32).powi(2))))
    }

    fn without_relations(&self) -> Option<&'static str> {
        Some("a single number")
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "local < params.parts", to: "local + 1u < params.parts" },
            ShaderFault { from: "sqrt(sum)", to: "sum" },
        ]
    }
}

impl Registered for GlobalNormKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Without("operates on gradients")
    }
}
