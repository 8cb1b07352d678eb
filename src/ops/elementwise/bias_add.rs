//! out\[m, n] = a\[m, n] + bias\[n].

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::matmul::{self, with_epilogue};
use crate::ops::support::{LINEAR, alternate, each_row, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::shape::TensorType;
use std::sync::Arc;

crate::params! {
    /// Parameters of [`BiasAddKernel`].
    pub struct BiasAddParams {
        /// Rows.
        pub m: u32,
        /// Columns.
        pub n: u32,
    }
}

/// Adds a bias to every row.
#[derive(Debug)]
pub struct BiasAddKernel;

/// [`BiasAddKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct BiasAddOp;

impl Kernel for BiasAddKernel {
    type Params = BiasAddParams;

    fn name(&self) -> &'static str {
        "bias_add"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/bias_add.wgsl")])]
    }

    fn groups(&self, params: &BiasAddParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.m) * u64::from(params.n))
    }

    fn flops(&self, params: &BiasAddParams) -> u64 {
        operations(1, [params.m, params.n])
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

    fn relations(&self) -> Vec<Relation> {
        vec![
            Relation::Apart("m"),
            Relation::Apart("n"),
            Relation::Proportional { of: &["a", "bias"], outputs: &["out"] },
        ]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<BiasAddParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(BiasAddParams { m, n }, alternate(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "i % params.n", to: "i / params.n" }]
    }
}

impl Registered for BiasAddKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("bias_add", &[&[4, 5], &[5]], |graph, p, _| graph.apply(BiasAddOp, p))
    }
}

impl Op for BiasAddOp {
    /// `[m, n]` and `[n]` give `[m, n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match (inputs[0].extents(), inputs[1].extents()) {
            ([_, n], [columns]) if n == columns => Ok(vec![inputs[0].clone()]),
            _ => Err(mistake(format!("cannot add a bias of shape {} to {}", inputs[1], inputs[0]))),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let of_bias = graph.apply(crate::ops::elementwise::column_sum::ColumnSumOp, &[upstream])?;
        Ok(vec![Some(upstream), Some(of_bias)])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let bindings = [("a", inputs[0]), ("bias", inputs[1]), ("out", outputs[0])];
        cx.dispatch(&BiasAddKernel, BiasAddParams { m, n }, &bindings)
    }

    fn fuse(&self, producer: &dyn Op) -> Option<Arc<dyn Op>> {
        with_epilogue(producer, &matmul::NN, &matmul::NN_BIAS)
    }
}
