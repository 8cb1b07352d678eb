//! A graph with leaves in memory, what they hold, and what comes out of it on an executor.

use super::common;
use shadegrad::cpu::CpuExecutor;
use shadegrad::error::Result;
use shadegrad::gpu::{Checks, GpuExecutor};
use shadegrad::graph::{Choices, Graph, Lowered, Pool, Value};
use shadegrad::kernel::Array;
use shadegrad::plan::{Executor, Plan, Role, SlotId};
use shadegrad::random::{Random, stream};
use shadegrad::shape::{DType, Shape};

#[derive(Default)]
pub(crate) struct Setting {
    pub(crate) graph: Graph,
    pub(crate) plan: Plan,
    pub(crate) numbers: Vec<(SlotId, Vec<f32>)>,
    pub(crate) words: Vec<(SlotId, Vec<u32>)>,
}

impl Setting {
    /// A leaf that holds these numbers.
    pub(crate) fn leaf(&mut self, shape: impl Into<Shape>, values: &[f32]) -> Result<Value> {
        let slot = self.plan.memory.array("leaf", Role::Carried, DType::F32, shape)?;
        self.numbers.push((slot, values.to_vec()));
        Ok(self.graph.leaf(&self.plan.memory, slot))
    }

    /// A leaf that holds random numbers.
    pub(crate) fn random(&mut self, shape: impl Into<Shape>, seed: u64) -> Result<Value> {
        let (shape, mut random) = (shape.into(), Random::new(seed, stream::CASES));
        let values: Vec<f32> = (0..shape.elements()?).map(|_| 0.5 * random.normal() as f32).collect();
        self.leaf(shape, &values)
    }

    /// A leaf that holds these words.
    pub(crate) fn words(&mut self, values: &[u32]) -> Result<Value> {
        let slot = self.plan.memory.array("words", Role::Carried, DType::U32, [values.len()])?;
        self.words.push((slot, values.to_vec()));
        Ok(self.graph.leaf(&self.plan.memory, slot))
    }

    /// Lowers the graph as it stands into the section `all`.
    pub(crate) fn lower(&mut self, stores: &[(Value, SlotId)], keep: &[Value], choices: &Choices) -> Result<Lowered> {
        self.plan.begin("all");
        self.graph.lower(&mut self.plan, &mut Pool::default(), "all", stores, keep, choices)
    }

    /// The kernels of all sections.
    pub(crate) fn kernels(&self) -> Vec<&'static str> {
        let dispatches = self.plan.sections.iter().flat_map(|section| &section.dispatches);
        dispatches.map(|dispatch| dispatch.kernel.name()).collect()
    }

    /// Runs the section `all` on the f64 twins, and reads these slots.
    pub(crate) fn on_oracle(&self, slots: &[SlotId]) -> Result<Vec<Vec<f64>>> {
        self.run(CpuExecutor::<f64>::new(self.plan.clone())?, slots)
    }

    /// The same on the f32 twins.
    pub(crate) fn on_twins(&self, slots: &[SlotId]) -> Result<Vec<Vec<f64>>> {
        self.run(CpuExecutor::<f32>::new(self.plan.clone())?, slots)
    }

    /// The same on the device.
    pub(crate) fn on_device(&self, slots: &[SlotId]) -> Result<Vec<Vec<f64>>> {
        let executor = GpuExecutor::new(common::gpu(), self.plan.clone(), Checks::Off);
        self.run(pollster::block_on(executor)?, slots)
    }

    fn run<E: Executor>(&self, mut executor: E, slots: &[SlotId]) -> Result<Vec<Vec<f64>>> {
        self.numbers.iter().try_for_each(|(slot, numbers)| executor.write_f32(*slot, numbers))?;
        self.words.iter().try_for_each(|(slot, words)| executor.write_words(*slot, words))?;
        executor.run("all", 1)?;
        let mut read = |slot: &SlotId| match pollster::block_on(executor.read(*slot))? {
            Array::Real(numbers) => Ok(numbers),
            Array::Word(_) => panic!("only numbers are read"),
        };
        slots.iter().map(&mut read).collect()
    }

    /// The numbers of these values on the f64 twins, after the passes.
    pub(crate) fn values(mut self, values: &[Value]) -> Result<Vec<Vec<f64>>> {
        let (graph, roots) = self.graph.simplify(values);
        self.graph = graph;
        let lowered = self.lower(&[], &roots, &Choices::default())?;
        let slots: Vec<SlotId> = roots.iter().filter_map(|&root| lowered.slot(root)).collect();
        self.on_oracle(&slots)
    }
}
