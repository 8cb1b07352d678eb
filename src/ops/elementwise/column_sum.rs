//! out\[n] = sum over m of a\[m, n]: the gradient of a bias.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::support::{LINEAR, UNIT, alternate, linear_groups, row_sizes, rows_and_columns};
use crate::plan::SlotId;
use crate::shape::TensorType;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`ColumnSumKernel`].
    pub struct ColumnSumParams {
        /// Rows.
        pub m: u32,
        /// Columns.
        pub n: u32,
    }
}

/// Into how many parts rows may be divided.
const PARTS: [u32; 3] = [8, 32, 128];

/// Sums the rows.
#[derive(Debug)]
pub struct ColumnSumKernel;

/// [`ColumnSumKernel`] as an op of graphs.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSumOp;

impl Kernel for ColumnSumKernel {
    type Params = ColumnSumParams;

    fn name(&self) -> &'static str {
        "column_sum"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/column_sum.wgsl")])]
    }

    fn groups(&self, params: &ColumnSumParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    fn flops(&self, params: &ColumnSumParams) -> u64 {
        operations(1, [params.m, params.n])
    }

    fn twin<T: Real>(&self, _params: &ColumnSumParams, args: &mut Args<'_, T>) {
        column_sums(args.real("a"), args.real_mut("out"));
    }

    fn tolerance(&self, case: &Case<ColumnSumParams>, _output: &str, values: &Values) -> Tolerance {
        column_sum_tolerance([case.params.m, case.params.n], case.inputs, values.before("a"))
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["a"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<ColumnSumParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(ColumnSumParams { m, n }, alternate(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[ShaderFault { from: "row < params.m", to: "row + 1u < params.m" }]
    }
}

impl Registered for ColumnSumKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

/// Writes the column sums of `a` to `out[n]`.
pub(in crate::ops) fn column_sums<T: Real>(a: &[T], out: &mut [T]) {
    let n = out.len();
    let block = if a.len() < 1 << 15 { n } else { 256 };
    out.par_chunks_mut(block).enumerate().for_each(|(task, out)| {
        out.fill(T::zero());
        for row in a.chunks_exact(n) {
            for (sum, &a) in out.iter_mut().zip(&row[task * block..]) {
                *sum += a;
            }
        }
    });
}

/// g_m sum |a|, with g_m = m u / (1 - m u): Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., eq. 4.4,
/// for sums in any order.
pub(in crate::ops) fn column_sum_tolerance([m, n]: [u32; 2], inputs: Inputs, a: &[f64]) -> Tolerance {
    if inputs == Inputs::Integers {
        return Tolerance::exact(n as usize);
    }
    let mu = f64::from(m) * UNIT;
    let mut hard = vec![f64::from(f32::MIN_POSITIVE); n as usize];
    for row in a.chunks_exact(n as usize) {
        hard.iter_mut().zip(row).for_each(|(hard, a)| *hard += mu / (1.0 - mu) * a.abs());
    }
    Tolerance { hard, soft: None }
}

impl Op for ColumnSumOp {
    /// `[m, n]` gives `[n]`.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match inputs[0].extents() {
            &[_, n] => Ok(vec![TensorType::f32([n])]),
            _ => Err(mistake(format!("column sums need a matrix, found {}", inputs[0]))),
        }
    }

    /// In one pass, or in parts: one invocation a column leaves most of a large device idle where columns are few.
    fn forms(&self, inputs: &[&TensorType], _caps: &Caps) -> Vec<Form> {
        let rows = inputs[0].extents()[0];
        let splits = PARTS.iter().filter(|&&parts| rows.is_multiple_of(parts as usize) && rows >= 2 * parts as usize);
        let splits = splits.map(|&parts| Form { name: "split", parts });
        std::iter::once(Form::DIRECT).chain(splits).collect()
    }

    fn lower(&self, form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = rows_and_columns(&cx.plan.memory, inputs[0])?;
        if form == Form::DIRECT {
            return cx.dispatch(&ColumnSumKernel, ColumnSumParams { m, n }, &[("a", inputs[0]), ("out", outputs[0])]);
        }
        // Rows with the same remainder are one column of rows that are `parts` times as wide. In all, fewer than m numbers
        // are added one after the other, so that the bound of the kernel holds.
        let (rows, columns) = (m / form.parts, form.parts.saturating_mul(n));
        let sums = cx.scratch(&TensorType::f32([form.parts as usize, n as usize]))?;
        let wide = cx.plan.memory.view(inputs[0], "rows side by side", [rows as usize, columns as usize])?;
        let flat = cx.plan.memory.view(sums, "sums side by side", [columns as usize])?;
        cx.dispatch(&ColumnSumKernel, ColumnSumParams { m: rows, n: columns }, &[("a", wide), ("out", flat)])?;
        cx.dispatch(&ColumnSumKernel, ColumnSumParams { m: form.parts, n }, &[("a", sums), ("out", outputs[0])])
    }
}
