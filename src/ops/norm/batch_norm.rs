//! out\[i, j] = (a\[i, j] - mean_j) / sqrt(variance_j + epsilon) weight\[j] + bias\[j], with the moments of column j
//! over the valid rows: Ioffe and Szegedy, "Batch Normalization", ICML 2015, algorithm 1.
//!
//! For evaluation it updates running state as PyTorch does: running += momentum (new - running), where the new variance
//! is the unbiased one, variance rows / (rows - 1), as in the paper's algorithm 2. A batch of one row has none and
//! leaves the running variance unchanged; its output is the bias. An empty batch, such as the last micro-batches of an
//! epoch, leaves both unchanged. Running means are initialized to 0 and variances to 1.

use crate::error::Result;
use crate::graph::{Form, Graph, Lowering, Node, Op, Value};
use crate::kernel::{
    Args, Caps, Case, Effort, Inputs, Kernel, Real, Relation, ShaderFault, Tolerance, Values, Variant, operations,
};
use crate::ops::elementwise::softmax::kind;
use crate::ops::gradient_check::{GradientCheck, Registered};
use crate::ops::norm::moments::{BoundedMoments, MOMENTS, moments, some_rows, straining_groups};
use crate::ops::support::{COUNTERS, LINEAR, UNIT, bits, counter, each_row, linear_groups, row_sizes};
use crate::plan::SlotId;
use crate::random::Random;
use crate::shape::TensorType;
use rayon::prelude::*;

crate::params! {
    /// Parameters of [`BatchNormKernel`].
    pub struct BatchNormParams {
        /// Rows of the batch.
        pub m: u32,
        /// Columns.
        pub n: u32,
        /// Added to the variance, against division by zero.
        pub epsilon: f32,
        /// The weight of this batch in the running state.
        pub momentum: f32,
    }
}

impl BatchNormParams {
    /// PyTorch's defaults: an epsilon of 1e-5 and a momentum of 0.1.
    pub fn new(m: u32, n: u32) -> Self {
        Self { m, n, epsilon: 1e-5, momentum: 0.1 }
    }
}

/// Normalizes each column in training, updates its running state in place, and saves its mean and 1 / standard
/// deviation for the gradient.
#[derive(Debug)]
pub struct BatchNormKernel;

/// The number of valid rows in a batch of `m`.
pub(in crate::ops) fn rows_in_use(counters: &[u32], m: u32) -> usize {
    counters[counter::ROWS].min(m) as usize
}

impl Kernel for BatchNormKernel {
    type Params = BatchNormParams;

    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn variants(&self, _caps: &Caps) -> Vec<Variant> {
        vec![Variant::plain(&[LINEAR, COUNTERS, MOMENTS, include_str!("../../../shaders/batch_norm.wgsl")])]
    }

    fn groups(&self, params: &BatchNormParams, _variant: &Variant) -> u64 {
        linear_groups(params.n.into())
    }

    /// Two for the mean, three for the variance, four for the output.
    fn flops(&self, params: &BatchNormParams) -> u64 {
        operations(9, [params.m, params.n])
    }

    fn twin<T: Real>(&self, params: &BatchNormParams, args: &mut Args<'_, T>) {
        let (a, weight, bias) = (args.real("a"), args.real("weight"), args.real("bias"));
        let (counters, statistics) = (args.word("counters"), args.real_mut("statistics"));
        let (running_mean, running_variance) = (args.real_mut("running_mean"), args.real_mut("running_variance"));
        let out = args.real_mut("out");
        let n = params.n as usize;
        let rows = rows_in_use(counters, params.m);
        let (epsilon, momentum) = (T::of(params.epsilon.into()), T::of(params.momentum.into()));
        let (means, reciprocals) = statistics.split_at_mut(n);
        let running = running_mean.par_iter_mut().zip(running_variance);
        let columns = means.par_iter_mut().zip(reciprocals.par_iter_mut()).zip(running);
        columns.enumerate().with_min_len((4096 / rows.max(1)).max(1)).for_each(|(column, (of_batch, running))| {
            let [mean, variance] = moments(a[column..].iter().step_by(n).take(rows.max(1)).copied());
            *of_batch.0 = mean;
            *of_batch.1 = (variance + epsilon).sqrt().recip();
            if rows > 0 {
                *running.0 += momentum * (mean - *running.0);
            }
            if rows > 1 {
                let unbiased = variance * (T::of(rows as f64) / T::of((rows - 1) as f64));
                *running.1 += momentum * (unbiased - *running.1);
            }
        });
        each_row(out, n, |row, out| {
            if row >= rows {
                return out.fill(T::zero());
            }
            for (column, out) in out.iter_mut().enumerate() {
                let normalized = (a[row * n + column] - means[column]) * reciprocals[column];
                *out = normalized * weight[column] + bias[column];
            }
        });
    }

    /// The bounds of the column's moments. The running state has theirs times momentum, at most five roundings of the
    /// unbiased variance, three of the change, and one of its own.
    fn tolerance(&self, case: &Case<BatchNormParams>, output: &str, values: &Values) -> Tolerance {
        let BatchNormParams { m, n, epsilon, momentum } = case.params;
        let (n, momentum, tiny) = (n as usize, f64::from(momentum), f64::from(f32::MIN_POSITIVE));
        let rows = rows_in_use(values.words("counters"), m);
        let (a, after) = (values.before("a"), values.after(output));
        let columns: Vec<_> = (0..n)
            .map(|column| BoundedMoments::of(a[column..].iter().step_by(n).take(rows.max(1)).copied(), epsilon))
            .collect();
        let running = |new: &dyn Fn(&BoundedMoments) -> f64| {
            let change = values.before(output).iter().zip(after).map(|(before, after)| (after - before).abs());
            let own = change.zip(after).map(|(change, after)| (3.0 * change + after.abs()) * UNIT + tiny);
            own.zip(&columns).map(|(own, column)| momentum * new(column) + own).collect()
        };
        let unbiased = if rows > 1 { rows as f64 / (rows - 1) as f64 } else { 0.0 };
        let hard = match output {
            "running_mean" => running(&|column| column.mean_bound),
            "running_variance" => running(&|c| unbiased * (c.variance_bound + 5.0 * UNIT * c.variance)),
            "statistics" => {
                let means = columns.iter().map(|column| column.mean_bound + tiny);
                means.chain(columns.iter().map(|column| column.reciprocal_bound)).collect()
            }
            _ => {
                let bound = |i: usize| columns[i % n].normalized_bound(a[i], values.before("weight")[i % n], after[i]);
                (0..after.len()).map(|i| if i / n < rows { bound(i) } else { tiny }).collect()
            }
        };
        Tolerance { hard, soft: None }
    }

    fn relations(&self) -> Vec<Relation> {
        vec![Relation::Apart("n"), Relation::Proportional { of: &["weight", "bias"], outputs: &["out"] }]
    }

    fn cases(&self, effort: Effort) -> Vec<Case<BatchNormParams>> {
        let case = |(i, [m, n]): (usize, [u32; 2])| Case::new(BatchNormParams::new(m, n), kind(i));
        row_sizes(effort).into_iter().enumerate().map(case).collect()
    }

    fn fill(
        &self,
        case: &Case<BatchNormParams>,
        binding: &str,
        elements: usize,
        random: &mut Random,
    ) -> Option<Vec<u32>> {
        let BatchNormParams { m, n, .. } = case.params;
        match binding {
            "counters" => Some(some_rows(m, random)),
            "running_variance" => Some(bits((0..elements).map(|_| random.between(0.1, 2.0)))),
            "a" if case.inputs == Inputs::Extreme => {
                let columns = straining_groups(n, random);
                let rows = (0..m).flat_map(|_| &columns);
                Some(bits(rows.map(|[offset, scale]| offset + scale * random.normal() as f32)))
            }
            _ => None,
        }
    }

    fn faults(&self) -> &'static [ShaderFault] {
        &[
            ShaderFault { from: "f32(rows) / f32(rows - 1u)", to: "1.0" },
            ShaderFault { from: "min(counters[ROWS], params.m)", to: "min(counters[ROWS] + 1u, params.m)" },
            ShaderFault { from: "params.momentum * (mean", to: "(1.0 - params.momentum) * (mean" },
            ShaderFault { from: "rows > 1u", to: "rows > 0u" },
        ]
    }
}

impl Registered for BatchNormKernel {
    fn gradient_check(&'static self) -> GradientCheck {
        GradientCheck::of_op("batch_norm", &[&[4, 5], &[5], &[5]], |graph, p, given| {
            let [mean, variance] = given.running;
            graph.apply(BatchNormOp::new(mean, variance), &[p[0], p[1], p[2], given.counters])
        })
    }
}

/// Batch norm in training as an op: `a [m, n]`, `weight [n]`, `bias [n]` and the step's counters give `[m, n]` and, as
/// output 1, the statistics `[2, n]` needed for its gradient.
///
/// Side effect: computing its output updates the running state in the slots below. These are not values of the graph,
/// which must not share such an op between two uses. The slots may share a buffer with each other, but not with
/// anything the op reads, such as weights and biases.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormOp {
    /// Slot `[n]` of the running means.
    pub running_mean: SlotId,
    /// Slot `[n]` of the running variances.
    pub running_variance: SlotId,
    /// Added to the variance; see [`BatchNormParams::epsilon`].
    pub epsilon: f32,
    /// The weight of this batch in the running state.
    pub momentum: f32,
}

impl BatchNormOp {
    /// With the defaults of [`BatchNormParams::new`].
    pub fn new(running_mean: SlotId, running_variance: SlotId) -> Self {
        let BatchNormParams { epsilon, momentum, .. } = BatchNormParams::new(0, 0);
        Self { running_mean, running_variance, epsilon, momentum }
    }
}

impl Op for BatchNormOp {
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [_, n] = crate::ops::norm::layer_norm::norm_extents("batch norm", &inputs[..3])?;
        Ok(vec![inputs[0].clone(), TensorType::f32([2, n])])
    }

    fn gradient(&self, graph: &mut Graph, node: &Node, upstream: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let upstream = node.only_upstream(upstream)?;
        let (a, weight, counters, statistics) = (node.inputs[0], node.inputs[1], node.inputs[3], node.outputs[1]);
        let inputs = [upstream, a, weight, statistics, counters];
        let of_a = graph.apply(crate::ops::norm::batch_norm_gradient::BatchNormGradientOp, &inputs)?;
        Ok(vec![Some(of_a), graph.output(of_a, 1), graph.output(of_a, 2), None])
    }

    fn lower(&self, _form: Form, cx: &mut Lowering<'_>, inputs: &[SlotId], outputs: &[SlotId]) -> Result<()> {
        let [m, n] = crate::ops::support::rows_and_columns(&cx.plan.memory, inputs[0])?;
        let given = [("a", inputs[0]), ("weight", inputs[1]), ("bias", inputs[2]), ("counters", inputs[3])];
        let running = [("running_mean", self.running_mean), ("running_variance", self.running_variance)];
        let bindings = [&given[..], &running, &[("out", outputs[0]), ("statistics", outputs[1])]].concat();
        let params = BatchNormParams { m, n, epsilon: self.epsilon, momentum: self.momentum };
        cx.dispatch(&BatchNormKernel, params, &bindings)
    }

    fn mutates(&self) -> bool {
        true
    }
}
