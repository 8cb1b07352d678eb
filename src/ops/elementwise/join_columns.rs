//! out\[m, p + q] = left\[m, p] beside right\[m, q].

use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::split_columns::{ColumnsParams, cases};
use crate::ops::support::{LINEAR, linear_groups};

/// Puts two matrices side by side.
#[derive(Debug)]
pub struct JoinColumnsKernel;

impl Kernel for JoinColumnsKernel {
    type Params = ColumnsParams;

    fn name(&self) -> &'static str {
        "join_columns"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/join_columns.wgsl")])]
    }

    fn groups(&self, params: &ColumnsParams, _variant: &Variant) -> u64 {
        linear_groups(operations(1, [params.m, params.n]))
    }

    /// It only copies.
    fn flops(&self, _params: &ColumnsParams) -> u64 {
        0
    }

    fn twin<T: Real>(&self, params: &ColumnsParams, args: &mut Args<'_, T>) {
        let (left, right, out) = (args.real("left"), args.real("right"), args.real_mut("out"));
        let [p, q] = [params.p as usize, params.q as usize];
        let parts = left.chunks_exact(p).zip(right.chunks_exact(q));
        for (row, (left, right)) in out.chunks_exact_mut(p + q).zip(parts) {
            row[..p].copy_from_slice(left);
            row[p..].copy_from_slice(right);
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
        vec![Relation::Apart("m"), Relation::Proportional { of: &["left", "right"], outputs: &["out"] }]
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
