//! out\[m, n] = a\[m, n] + bias\[n].

use super::{LINEAR, alternate, each_row, linear_groups, row_sizes};
use crate::kernel::{Args, Caps, Case, Effort, Kernel, Real, Tolerance, Values, Variant};

crate::params! {
    /// Parameters of [`BiasAdd`].
    pub struct BiasAddParams {
        /// Rows.
        pub m: u32,
        /// Columns.
        pub n: u32,
    }
}

/// Adds a row to every row.
#[derive(Debug)]
pub struct BiasAdd;

impl Kernel for BiasAdd {
    type Params = BiasAddParams;

    fn name(&self) -> &'static str {
        "bias_add"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../shaders/bias_add.wgsl")])]
    }

    fn groups(&self, params: &BiasAddParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.m) * u64::from(params.n))
    }

    fn flops(&self, params: &BiasAddParams) -> u64 {
        u64::from(params.m) * u64::from(params.n)
    }

    fn twin<T: Real>(&self, params: &BiasAddParams, args: &mut Args<'_, T>) {
        let (a, bias, out) = (args.real("a"), args.real("bias"), args.real_mut("out"));
        let n = params.n as usize;
        each_row(out, n, |row, out| {
            for ((out, &a), &bias) in out.iter_mut().zip(&a[row * n..]).zip(bias) {
                *out = a + bias;
            }
        });
    }

    /// One rounding.
    fn tolerance(&self, _case: &Case<BiasAddParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::ulps(values.after(output), 1.0)
    }

    fn cases(&self, effort: Effort) -> Vec<Case<BiasAddParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(BiasAddParams { m, n }, alternate(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }
}
