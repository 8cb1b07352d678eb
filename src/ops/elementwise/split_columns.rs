//! left\[m, p], right\[m, q] = the columns of a\[m, p + q]: gates of recurrent cells, or queries and keys, out of one product.

use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::support::{LINEAR, alternate, linear_groups, row_sizes};

crate::params! {
    /// Parameters of [`SplitColumnsKernel`] and of [`crate::ops::elementwise::join_columns::JoinColumnsKernel`].
    pub struct ColumnsParams {
        /// Rows.
        pub m: u32,
        /// Columns of the left part.
        pub p: u32,
        /// Columns of the right part.
        pub q: u32,
        /// Columns of both.
        pub n: u32,
    }
}

impl ColumnsParams {
    pub(in crate::ops) fn new(m: u32, p: u32, q: u32) -> Self {
        Self { m, p, q, n: p.saturating_add(q) }
    }
}

/// Parts as wide as each other and of very different widths.
pub(in crate::ops) fn cases(effort: Effort) -> Vec<Case<ColumnsParams>> {
    let case =
        |(i, [m, p]): (usize, [u32; 2])| Case::new(ColumnsParams::new(m, p, [1, p, 7, 130][i % 4]), alternate(i / 4));
    row_sizes(effort).into_iter().enumerate().map(case).collect()
}

/// Splits a matrix between two columns.
#[derive(Debug)]
pub struct SplitColumnsKernel;

impl Kernel for SplitColumnsKernel {
    type Params = ColumnsParams;

    fn name(&self) -> &'static str {
        "split_columns"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/split_columns.wgsl")])]
    }

    fn groups(&self, params: &ColumnsParams, _variant: &Variant) -> u64 {
        linear_groups(operations(1, [params.m, params.n]))
    }

    /// It only copies.
    fn flops(&self, _params: &ColumnsParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &ColumnsParams, args: &mut Args<'_, T>) {
        let (a, left, right) = (args.real("a"), args.real_mut("left"), args.real_mut("right"));
        let [p, q] = [params.p as usize, params.q as usize];
        let parts = left.chunks_exact_mut(p).zip(right.chunks_exact_mut(q));
        for (row, (left, right)) in a.chunks_exact(p + q).zip(parts) {
            left.copy_from_slice(&row[..p]);
            right.copy_from_slice(&row[p..]);
        }
    }

    /// Nothing is rounded.
    fn tolerance(&self, _case: &Case<ColumnsParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::exact(values.after(output).len())
    }

    fn consistent(&self, params: ColumnsParams) -> ColumnsParams {
        ColumnsParams::new(params.m, params.p, params.q)
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Proportional { of: &["a"], outputs: &["left", "right"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ColumnsParams>> {
        cases(effort)
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "column < params.p", to: "column <= params.p" },
            ShaderFault { from: "row * params.q", to: "row * params.p" },
            ShaderFault { from: "i < params.m * params.n", to: "i + 1u < params.m * params.n" },
        ]
    }
}
