//! out = a + b: a residual connection, and the sum of the gradients of a value that is used twice.

use super::{LINEAR, alternate, each_row, flat_sizes, linear_groups};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Tolerance, Values, Variant};

crate::params! {
    /// Parameters of [`Add`].
    pub struct AddParams {
        /// Elements.
        pub n: u32,
    }
}

/// The sum of two arrays.
#[derive(Debug)]
pub struct Add;

impl Kernel for Add {
    type Params = AddParams;

    fn name(&self) -> &'static str {
        "add"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../shaders/add.wgsl")])]
    }

    fn groups(&self, params: &AddParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &AddParams) -> u64 {
        params.n.into()
    }

    fn twin<T: Real>(&self, _params: &AddParams, args: &mut Args<'_, T>) {
        let (a, b, out) = (args.real("a"), args.real("b"), args.real_mut("out"));
        each_row(out, 1, |i, out| out[0] = a[i] + b[i]);
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<AddParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<AddParams>> {
        flat_sizes(effort).into_iter().enumerate().map(|(i, n)| Case::new(AddParams { n }, alternate(i))).collect()
    }
}
