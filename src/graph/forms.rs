//! Which form each op is lowered in: an op may be computed in several ways, each of one or more kernels, among which the
//! tuner chooses.

use super::{Form, Graph, Op, Pool, mistake};
use crate::error::Result;
use crate::kernel::Caps;
use crate::plan::{Memory, Plan, Role};
use crate::shape::TensorType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a form is chosen for: an op, as it prints, and the types of its inputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpKey {
    /// The op with its settings.
    pub op: String,
    /// What it is applied to.
    pub inputs: Vec<TensorType>,
}

impl OpKey {
    /// An op that is applied to inputs of these types.
    pub fn new(op: &dyn Op, inputs: &[&TensorType]) -> Self {
        Self { op: format!("{op:?}"), inputs: inputs.iter().map(|&ty| ty.clone()).collect() }
    }

    /// The types of the inputs, as `[128, 64] [64]`.
    pub fn shapes(&self) -> String {
        self.inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// How the ops of a graph are lowered for a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// What the device can do.
    pub caps: Caps,
    /// The form of each op that is not to take its first one.
    pub forms: BTreeMap<OpKey, Form>,
}

impl Choices {
    /// The first form of every op that has several.
    pub fn new(caps: Caps) -> Self {
        Self { caps, forms: BTreeMap::new() }
    }

    /// The form of an op: the one chosen if the device has it, else the first.
    ///
    /// # Errors
    /// Names an op that has no form for the device.
    pub fn form(&self, op: &dyn Op, inputs: &[&TensorType]) -> Result<Form> {
        let offered = op.forms(inputs, &self.caps);
        // Most ops have one form and need no key.
        let chosen = if offered.len() > 1 { self.forms.get(&OpKey::new(op, inputs)) } else { None };
        let form = chosen.filter(|form| offered.contains(form)).or(offered.first());
        form.copied().ok_or_else(|| mistake(format!("{op:?} has no form for {inputs:?}")))
    }
}

impl Default for Choices {
    /// For every adapter of the WebGPU standard.
    fn default() -> Self {
        Self::new(Caps::portable())
    }
}

/// An op of a graph that has several forms, with the types of its inputs.
#[derive(Clone, Debug)]
pub struct OpenOp {
    op: Arc<dyn Op>,
    inputs: Vec<TensorType>,
    /// Its forms, the default first.
    pub forms: Vec<Form>,
}

impl OpenOp {
    /// What a form of it is chosen for.
    pub fn key(&self) -> OpKey {
        OpKey::new(self.op.as_ref(), &self.inputs.iter().collect::<Vec<_>>())
    }

    /// The name of the slot of an input in [`Self::plan`].
    pub fn input_name(number: usize) -> String {
        format!("input {number}")
    }

    /// A plan whose one section, `op`, computes this op in one form, from inputs in slots of their own.
    ///
    /// # Errors
    /// If the op cannot be lowered by itself.
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
        plan.begin("op");
        let choices = Choices { forms: [(self.key(), form)].into(), ..Choices::new(caps.clone()) };
        graph.lower(&mut plan, &mut Pool::default(), "op", &[], &[], &choices)?;
        Ok(plan)
    }
}

impl Graph {
    /// The ops that have several forms on a device, once for each combination of input types.
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
