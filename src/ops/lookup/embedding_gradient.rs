//! out\[entry] = sum of gradient\[i] over the rows i with index\[i] = entry, in order: the gradient of
//! [`crate::ops::lookup::embedding`] with respect to its table. No atomics, hence deterministic.

use crate::error::Result;
use crate::graph::{Form, Lowering, Op, mistake};
use crate::kernel::{
    Args, Caps, Case, Effort, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::lookup::embedding::{EmbeddingParams, cases, some_indices};
use crate::ops::support::{LINEAR, each_row, linear_groups, roundings};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;

/// The gradient with respect to the table of [`crate::ops::lookup::embedding::EmbeddingKernel`]. Every element of the table
/// scans all indices, which suits small tables.
#[derive(Debug)]
pub struct EmbeddingGradientKernel;

impl Kernel for EmbeddingGradientKernel {
    type Params = EmbeddingParams;

    fn name(&self) -> &'static str {
        "embedding_gradient"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, include_str!("../../../shaders/embedding_gradient.wgsl")])]
    }

    fn groups(&self, params: &EmbeddingParams, _variant: &Variant) -> u64 {
        linear_groups(u64::from(params.entries) * u64::from(params.n))
    }

    fn flops(&self, params: &EmbeddingParams) -> u64 {
        operations(1, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &EmbeddingParams, args: &mut Args<'_, T>) {
        let (gradient, index, out) = (args.real("gradient"), args.word("index"), args.real_mut("out"));
        let n = params.n as usize;
        each_row(out, n, |entry, out| {
            out.fill(T::zero());
            let uses = gradient.chunks_exact(n).zip(index).filter(|&(_, &index)| index as usize == entry);
            for (gradient, _) in uses {
                out.iter_mut().zip(gradient).for_each(|(sum, &gradient)| *sum += gradient);
            }
        });
    }

    /// A sum of k terms has k roundings of their magnitudes: Higham, "Accuracy and Stability of Numerical Algorithms",
    /// 2nd ed., eq. 4.4.
    fn tolerance(&self, case: &Case<EmbeddingParams>, _output: &str, values: &Values) -> Tolerance {
        let EmbeddingParams { n, entries, .. } = case.params;
        let n = n as usize;
        let mut hard = vec![f64::from(f32::MIN_POSITIVE); entries as usize * n];
        let index = values.words("index");
        for (entry, hard) in hard.chunks_exact_mut(n).enumerate() {
            let used = |(_, index): &(&[f64], &u32)| **index as usize == entry;
            let uses: Vec<_> = values.before("gradient").chunks_exact(n).zip(index).filter(used).collect();
            for (gradient, _) in &uses {
                hard.iter_mut().zip(*gradient).for_each(|(hard, g)| *hard += roundings(uses.len()) * g.abs());
            }
        }
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["gradient"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<EmbeddingParams>> {
        cases(effort)
    }

    fn fill(&self, case: &Case<EmbeddingParams>, binding: &str, _: usize, random: &mut Random) -> Option<Vec<u32>> {
        (binding == "index").then(|| some_indices(&case.params, random))
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "index[row] == entry", to: "index[row] >= entry" },
            ShaderFault { from: "sum += gradient", to: "sum = gradient" },
        ]
    }
}

impl Registered for EmbeddingGradientKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::Elsewhere
    }
}

/// The gradient of a table as an op: the upstream gradient `[m, n]` and the indices `[m]` give `[entries, n]`.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingGradientOp {
    /// Rows of the table.
    pub entries: usize,
}

impl Op for EmbeddingGradientOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        match (inputs[0].extents(), inputs[1].extents()) {
            (&[m, n], &[indices]) if m == indices => Ok(vec![TensorType::f32([self.entries, n])]),
            _ => Err(mistake(format!("gradient of shape {} for an embedding of {}", inputs[0], inputs[1]))),
        }
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let params = EmbeddingParams { m, n, entries: crate::ops::support::word(self.entries)? };
        let bindings = [("gradient", inputs[0]), ("index", inputs[1]), ("out", outputs[0])];
        cx.dispatch(&EmbeddingGradientKernel, params, &bindings)
    }
}
