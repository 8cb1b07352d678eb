//! out\[i] = table\[index\[i]], row by row: the lookup of Bengio, Ducharme, Vincent and Jauvin, "A Neural Probabilistic
//! Language Model", JMLR 3, 2003, section 2. An out-of-range index gives zeros.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, alternate, each_row, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

crate::params! {
    /// Parameters of [`EmbeddingKernel`] and of [`crate::ops::lookup::embedding_gradient::EmbeddingGradientKernel`].
    pub struct EmbeddingParams {
        /// Indices.
        pub m: u32,
        /// Columns of the table.
        pub n: u32,
        /// Rows of the table.
        pub entries: u32,
    }
}

/// Looks up rows of a table.
#[derive(Debug)]
pub struct EmbeddingKernel;

/// [`EmbeddingKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingOp;

/// Tables from much smaller than the batch to larger.
pub(in crate::ops) fn cases(effort: Effort) -> Vec<Case<EmbeddingParams>> {
    let entries = [5, 1, 300, 40];
    let case = |(i, [m, n]): (usize, [u32; 2])| {
        Case::new(EmbeddingParams { m, n, entries: entries[i % entries.len()] }, alternate(i))
    };
    row_sizes(effort).into_iter().enumerate().map(case).collect()
}

/// Indices, some of them slightly or far out of range.
pub(in crate::ops) fn some_indices(params: &EmbeddingParams, random: &mut Random) -> Vec<u32> {
    let mut index = || if random.below(8) == 0 { random.bits() | 1 << 31 } else { random.below(params.entries + 1) };
    (0..params.m).map(|_| index()).collect()
}

impl Kernel for EmbeddingKernel {
    type Params = EmbeddingParams;

    fn name(&self) -> &'static str {
        "embedding"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/embedding.wgsl")])]
    }

    fn groups(&self, params: &EmbeddingParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.m) * u64::from(params.n))
    }

    /// Only copies.
    fn flops(&self, _params: &EmbeddingParams) -> u64 {
        0
    }

    /// Indices, and their rows in and out; the rest of the table is not touched.
    fn bytes(&self, params: &EmbeddingParams, _bound: u64) -> u64 {
        operations(4 + 8 * u64::from(params.n), [params.m])
    }

    fn twin<T: Real>(&self, params: &EmbeddingParams, args: &mut Args<'_, T>) {
        let (table, index, out) = (args.real("table"), args.word("index"), args.real_mut("out"));
        let n = params.n as usize;
        each_row(out, n, |row, out| {
            let entry = index[row] as usize;
            if entry < params.entries as usize {
                out.copy_from_slice(&table[entry * n..][..n]);
            } else {
                out.fill(T::zero());
            }
        });
    }

    /// Exact.
    fn tolerance(&self, _case: &Case<EmbeddingParams>, output: &str, values: &Values) -> Tolerance {
        Tolerance::exact(values.after(output).len())
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("m"), Relation::Apart("n"), Relation::Proportional { of: &["table"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<EmbeddingParams>> {
        cases(effort)
    }

    fn fill(&self, case: &Case<EmbeddingParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        (binding == "index").then(|| some_indices(&case.params, random))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "entry < params.entries", to: "entry <= params.entries" },
            ShaderFault { from: "i % params.n", to: "i / params.n" },
        ]
    }
}

impl Registered for EmbeddingKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("embedding", &[&[6, 5]], |graph, p, given| graph.apply(EmbeddingOp, &[p[0], given.labels]))
    }
}

impl Op for EmbeddingOp {
    /// The table `[entries, n]` and the indices `[m]` give `[m, n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match (inputs[0].extents(), inputs[1].extents()) {
            (&[_, n], &[m]) => Ok(vec![TensorType::f32([m, n])]),
            _ => Err(mistake(format!("cannot look up indices {} in a table {}", inputs[1], inputs[0]))),
        }
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let entries = graph.shape(node.inputs[0]).extents()[0];
        let op = crate::ops::lookup::embedding_gradient::EmbeddingGradientOp { entries };
        Ok(vec![Some(graph.apply(op, &[upstream, node.inputs[1]])?), None])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, outputs[0])?;
        let [entries, _] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let bindings = [("table", inputs[0]), ("index", inputs[1]), ("out", outputs[0])];
        cx.dispatch(&EmbeddingKernel, EmbeddingParams { m, n, entries }, &bindings)
    }
}
