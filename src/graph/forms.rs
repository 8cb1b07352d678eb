//! Selects the form of each op: an op may have several implementations of one or more kernels, among which the tuner
//! chooses.

use super::{Form, Graph, Op, Pool, mistake};
use crate::error::Result;
use crate::kernel::Caps;
use crate::plan::{Memory, Plan, Role};
use crate::shape::TensorType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The key of a form choice: an op's debug representation, and its input types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpKey {
    /// The op with its settings.
    pub op: String,
    /// The input types.
    pub inputs: Vec<TensorType>,
}

impl OpKey {
    /// The key of an op with these input types.
    pub fn new(op: &dyn Op, inputs: &[&TensorType]) -> Self {
        Self { op: format!("{op:?}"), inputs: inputs.iter().map(|&ty| ty.clone()).collect() }
    }

    /// The input types, formatted as `[128, 64] [64]`.
    pub fn shapes(&self) -> String {
        self.inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// How a graph's ops are lowered for a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// The device's capabilities.
    pub caps: Caps,
    /// The chosen form of each op that does not use its first one.
    pub forms: BTreeMap<OpKey, Form>,
}

impl Choices {
    /// The first form for all ops.
    pub fn new(caps: Caps) -> Self {
        Self { caps, forms: BTreeMap::new() }
    }

    /// The form of an op: the chosen one if the device supports it, else the first.
    ///
    /// # Errors
    /// If an op has no form for the device; names it.
    pub fn form(&self, op: &dyn Op, inputs: &[&TensorType]) -> Result<Form> {
        let offered = op.forms(inputs, &self.caps);
        // Most ops have a single form and need no key.
        let chosen = if offered.len() > 1 { self.forms.get(&OpKey::new(op, inputs)) } else { None };
        let form = chosen.filter(|form| offered.contains(form)).or(offered.first());
        form.copied().ok_or_else(|| mistake(format!("{op:?} has no form for {inputs:?}")))
    }
}

impl Default for Choices {
    /// For every WebGPU adapter.
    fn default() -> Self {
        Self::new(Caps::portable())
    }
}

/// An op of a graph with several forms, and its input types.
#[derive(Clone, Debug)]
pub struct OpenOp {
    op: Arc<dyn Op>,
    inputs: Vec<TensorType>,
    /// Its forms, the default first.
    pub forms: Vec<Form>,
}

impl OpenOp {
    /// The section of [`Self::plan`].
    pub const SECTION: &'static str = "op";

    /// The key of its form choice.
    pub fn key(&self) -> OpKey {
        OpKey::new(self.op.as_ref(), &self.inputs.iter().collect::<Vec<_>>())
    }

    /// The slot name of an input in [`Self::plan`].
    pub fn input_name(number: usize) -> String {
        format!("input {number}")
    }

    /// A plan with a single section `op`, which computes this op in one form from inputs in separate slots.
    ///
    /// # Errors
    /// If the op cannot be lowered alone.
    pub fn plan(&self, form: Form, caps: &Caps) -> Result<Plan> {
        let mut memory = Memory::default();
        let mut graph = Graph::default();
        let mut inputs = Vec::new();
        for (number, ty) in self.inputs.iter().enumerate() {
            let slot = memory.tensor(&Self::input_name(number), Role::Input, ty.clone())?;
            inputs.push(graph.leaf(&memory, slot));
        }
        graph.apply_shared(self.op.clone(), &inputs)?;
        let mut plan = Plan::new(memory);
        plan.begin(Self::SECTION);
        let choices = Choices { forms: [(self.key(), form)].into(), ..Choices::new(caps.clone()) };
        graph.lower(&mut plan, &mut Pool::default(), "op", &[], &[], &choices)?;
        Ok(plan)
    }
}

impl Graph {
    /// The ops with several forms on a device, once per combination of input types.
    pub fn open_ops(&self, caps: &Caps) -> Vec<OpenOp> {
        let mut seen = BTreeSet::new();
        let mut open = Vec::new();
        for node in &self.nodes {
            let Some(op) = &node.op else { continue };
            let types: Vec<&TensorType> = node.inputs.iter().map(|&input| self.ty(input)).collect();
            let forms = op.forms(&types, caps);
            if forms.len() > 1 && seen.insert(OpKey::new(op.as_ref(), &types)) {
                open.push(OpenOp { op: op.clone(), inputs: types.into_iter().cloned().collect(), forms });
            }
        }
        open
    }
}
