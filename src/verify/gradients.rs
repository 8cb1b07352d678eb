//! Checks gradients derived from graphs: against finite differences, and on the device.

use super::bench::{Bench, Outcome};
use super::compare::Worst;
use super::graphs::graphs;
use crate::cpu::CpuExecutor;
use crate::error::Result;
use crate::graph::{Choices, Graph, Pool, Value, mistake};
use crate::kernel::Array;
use crate::ops::elementwise::add::AddOp;
use crate::ops::elementwise::scale::ScaleOp;
use crate::ops::loss::softmax_cross_entropy::SoftmaxCrossEntropyOp;
use crate::ops::matmul::{Operands, product};
use crate::ops::{Given, GradientGraph, ROWS};
use crate::plan::{Executor, Memory, Plan, Role, SlotId};
use crate::random::{Random, stream};
use crate::shape::{DType, Shape};
use std::sync::Arc;

/// Maximum difference between device and f32 twins, relative to the largest gradient of an array: these graphs have few
/// ops on few values, so a hundred roundings are more than enough.
const BOUND: f64 = 1e-5;

/// The plan of a loss and its gradients for all parameters, with inputs.
///
/// Inputs do not depend on the seed: others might hit points where ReLU is not differentiable.
pub struct Gradients {
    /// Its only section is `all`.
    pub plan: Plan,
    words: Vec<(SlotId, Vec<u32>)>,
    numbers: Vec<(SlotId, Vec<f32>)>,
    parameters: Vec<(SlotId, Vec<f32>)>,
    losses: SlotId,
    gradients: Vec<SlotId>,
}

/// Names of all graphs.
pub(super) fn entries() -> Vec<String> {
    graphs().into_iter().map(|graph| graph.name).collect()
}

/// Checks the graph with this name.
pub(super) async fn run(bench: &Bench<'_>, entry: &str) -> Result<Outcome> {
    let Some(graph) = graphs().into_iter().find(|graph| graph.name == entry) else {
        return Ok(Outcome::NotRun(format!("unknown graph {entry:?}")));
    };
    let gradients = Gradients::of(&graph)?;
    match gradients.first_wrong(1.0).await? {
        Some(wrong) => Ok(Outcome::Wrong(wrong)),
        None => gradients.on_device(bench).await,
    }
}

impl Gradients {
    /// Gradients of a graph.
    ///
    /// # Errors
    /// If its shapes do not match.
    pub fn of(graph: &GradientGraph) -> Result<Self> {
        if graph.is_loss { Self::of_loss(graph.shapes, &graph.build) } else { Self::of_op(graph.shapes, &graph.build) }
    }

    /// Gradients of a loss with parameters of these shapes.
    ///
    /// # Errors
    /// If the shapes do not match.
    pub fn of_loss(shapes: &[&[usize]], loss: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value>) -> Result<Self> {
        Self::new(shapes, loss)
    }

    /// Gradients of a loss of an op's output `[4, 5]`, with ops before and after it, so that gradients are neither one
    /// nor all equal.
    fn of_op(shapes: &[&[usize]], op: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value>) -> Result<Self> {
        let shapes: Vec<_> = shapes.iter().copied().chain([&[5, 3][..]]).collect();
        Self::new(&shapes, |graph, p, given| {
            let (readout, p) = p.split_last().ok_or_else(|| mistake("an op without a parameter".to_owned()))?;
            let first = graph.apply(ScaleOp { factor: 1.5 }, &p[..1])?;
            let out = op(graph, &[&[first], &p[1..]].concat(), given)?;
            let logits = product(graph, Operands::NN, out, *readout)?;
            graph.apply(SoftmaxCrossEntropyOp, &[logits, given.labels, given.counters])
        })
    }

    /// `build` returns the losses for parameters of these shapes.
    fn new(shapes: &[&[usize]], build: impl Fn(&mut Graph, &[Value], &Given) -> Result<Value>) -> Result<Self> {
        let mut memory = Memory::default();
        let mut random = Random::new(11, stream::CASES);
        let mut parameters = Vec::new();
        for shape in shapes {
            let slot = memory.array("parameter", Role::Parameter, DType::F32, Shape::new(*shape))?;
            // Away from zero, where ReLU is not differentiable.
            let away = |x: f32| if x.abs() < 0.05 { x + 0.1f32.copysign(x) } else { x };
            let values = (0..memory.slot(slot).words).map(|_| away(random.normal() as f32)).collect();
            parameters.push((slot, values));
        }
        let labels = memory.array("labels", Role::Data, DType::U32, [ROWS])?;
        let counters = memory.array("counters", Role::Carried, DType::U32, [4])?;
        let class_weights = memory.array("class weights", Role::Data, DType::F32, [3])?;
        let mean = memory.array("running mean", Role::Carried, DType::F32, [5])?;
        let variance = memory.array("running variance", Role::Carried, DType::F32, [5])?;
        let words = vec![(labels, vec![0, 1, 2, 0]), (counters, vec![1, 0, 0, ROWS as u32])];
        let recorded = [
            memory.array("metrics", Role::Scratch, DType::F32, [2, 2])?,
            memory.array("last counters", Role::Carried, DType::U32, [4])?,
        ];
        let numbers = vec![(class_weights, vec![0.5, 2.0, 1.25])];
        let mut graph = Graph::default();
        let values: Vec<_> = parameters.iter().map(|(slot, _)| graph.leaf(&memory, *slot)).collect();
        let given = Given {
            labels: graph.leaf(&memory, labels),
            counters: graph.leaf(&memory, counters),
            class_weights: graph.leaf(&memory, class_weights),
            recorded,
            running: [mean, variance],
        };
        let losses = build(&mut graph, &values, &given)?;
        let seeds = graph.seeds(losses)?;
        let gradients = graph.gradients(&seeds, &values, Arc::new(AddOp))?;
        let unreached = || mistake("a parameter does not reach the loss".to_owned());
        let gradients = gradients.into_iter().collect::<Option<Vec<_>>>().ok_or_else(unreached)?;
        let roots: Vec<_> = [losses].into_iter().chain(gradients).collect();
        let (graph, roots) = graph.simplify(&roots);
        let mut stores = Vec::new();
        for root in roots {
            let slot = memory.array("out", Role::Transient, DType::F32, graph.shape(root).clone())?;
            stores.push((root, slot));
        }
        let mut plan = Plan::new(memory);
        plan.begin("all");
        graph.lower(&mut plan, &mut Pool::default(), "all", &stores, &[], &Choices::default())?;
        let gradients = stores[1..].iter().map(|(_, slot)| *slot).collect();
        Ok(Self { plan, words, numbers, parameters, losses: stores[0].1, gradients })
    }

    async fn start<E: Executor>(&self, mut executor: E) -> Result<E> {
        for (slot, values) in &self.words {
            executor.write_words(*slot, values)?;
        }
        for (slot, values) in self.numbers.iter().chain(&self.parameters) {
            executor.write_f32(*slot, values)?;
        }
        executor.run("all", 1)?;
        Ok(executor)
    }

    /// Losses, then the gradient of each parameter.
    async fn outcome<E: Executor>(&self, executor: E) -> Result<Vec<Vec<f64>>> {
        let mut executor = self.start(executor).await?;
        let mut arrays = Vec::new();
        for slot in [self.losses].iter().chain(&self.gradients) {
            arrays.push(numbers(&mut executor, *slot).await?);
        }
        Ok(arrays)
    }

    /// The first derivative, multiplied by `fault`, that differs from a central difference in f64 on the twins.
    ///
    /// # Errors
    /// If the plan is not valid.
    pub async fn first_wrong(&self, fault: f64) -> Result<Option<String>> {
        let mut executor = self.start(CpuExecutor::<f64>::new(self.plan.clone())?).await?;
        let mut derived = Vec::new();
        for slot in &self.gradients {
            derived.push(numbers(&mut executor, *slot).await?);
        }
        // Exact in f32, so that both points of a difference are exact.
        let step = 1.0 / 16_384.0;
        for (number, ((slot, values), derived)) in self.parameters.iter().zip(&derived).enumerate() {
            for (i, derivative) in derived.iter().map(|derivative| derivative * fault).enumerate() {
                let mut sides = [(0.0, 0.0); 2];
                for (offset, side) in [-step, step].into_iter().zip(&mut sides) {
                    let mut moved = values.clone();
                    moved[i] += offset;
                    executor.write_f32(*slot, &moved)?;
                    executor.run("all", 1)?;
                    let losses = numbers(&mut executor, self.losses).await?;
                    *side = (f64::from(moved[i]), losses.iter().sum::<f64>() / ROWS as f64);
                }
                let [(low, below), (high, above)] = sides;
                let difference = (above - below) / (high - low);
                // The error of a central difference is step^2 / 6 = 6e-10 times the third derivative.
                let agree = (derivative - difference).abs() <= 1e-6 * difference.abs().max(1.0);
                if !agree {
                    let place = format!("parameter {number}[{i}]");
                    return Ok(Some(format!("{place}: derived {derivative}, by differences {difference}")));
                }
            }
            executor.write_f32(*slot, values)?;
        }
        Ok(None)
    }

    /// Compares losses and gradients on the device with the f32 twins.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn on_device(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let twins = self.outcome(CpuExecutor::<f32>::new(self.plan.clone())?).await?;
        let shaders = self.outcome(bench.executor(self.plan.clone()).await?).await?;
        let mut worst = Worst { cases: 1, ulps: None, ..Worst::default() };
        for (number, (twin, shader)) in twins.iter().zip(&shaders).enumerate() {
            let bound = BOUND * twin.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
            for (i, (expected, found)) in twin.iter().zip(shader).enumerate() {
                let difference = (found - expected).abs();
                let agree = difference <= bound;
                if !agree {
                    let place =
                        if number == 0 { "loss".to_owned() } else { format!("gradient of parameter {}", number - 1) };
                    let wrong = format!("{place}, element {i} is {found:e}, expected {expected:e} +- {bound:e}");
                    return Ok(Outcome::Wrong(wrong));
                }
                worst.hard = worst.hard.max(difference / bound.max(f64::MIN_POSITIVE));
            }
        }
        Ok(Outcome::Fine(worst))
    }
}

/// The values of a slot.
async fn numbers<E: Executor>(executor: &mut E, slot: SlotId) -> Result<Vec<f64>> {
    match executor.read(slot).await? {
        Array::Real(values) => Ok(values),
        Array::Word(_) => Err(mistake("losses and gradients must be floats".to_owned())),
    }
}
