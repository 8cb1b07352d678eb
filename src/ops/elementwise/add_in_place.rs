//! sum += b: addition where nobody needs the other summand any more.

use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, each_row, flat_sizes, linear_groups};

crate::params! {
    /// Parameters of [`AddInPlaceKernel`].
    pub struct AddInPlaceParams {
        /// Elements.
        pub n: u32,
    }
}

/// Adds an array to another of its shape.
#[derive(Debug)]
pub struct AddInPlaceKernel;

impl Kernel for AddInPlaceKernel {
    type Params = AddInPlaceParams;

    fn name(&self) -> &'static str {
        "add_in_place"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/add_in_place.wgsl")])]
    }

    fn groups(&self, params: &AddInPlaceParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &AddInPlaceParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &AddInPlaceParams, args: &mut Args<'_, T>) {
        let (b, sum) = (args.real("b"), args.real_mut("sum"));
        each_row(sum, 1, |i, sum| sum[0] += b[i]);
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<AddInPlaceParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["b", "sum"], outputs: &["sum"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<AddInPlaceParams>> {
        let case = |(i, n)| Case::new(AddInPlaceParams { n }, alternate(i));
        flat_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "sum[i] += b[i]", to: "sum[i] -= b[i]" },
            ShaderFault { from: "i < params.n", to: "i + 1u < params.n" },
        ]
    }
}

impl Registered for AddInPlaceKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}
