//! From graph to plan: a slot for every value, transients reused as soon as nobody needs them, kernels recorded.

use super::lowering::Owned;
use super::{Choices, Form, Graph, Lowering, Op, Pool, Value, mistake};
use crate::error::Result;
use crate::plan::{Plan, SlotId};
use crate::shape::TensorType;
use std::collections::BTreeMap;

/// Where the values of a lowered graph lie.
#[derive(Debug, Default)]
pub struct Lowered {
    slots: BTreeMap<Value, SlotId>,
}

impl Lowered {
    /// The slot of a value that was lowered.
    pub fn slot(&self, value: Value) -> Option<SlotId> {
        self.slots.get(&value).copied()
    }
}

/// A graph on its way into a plan.
struct Lowerer<'a> {
    graph: &'a Graph,
    plan: &'a mut Plan,
    pool: &'a mut Pool,
    stores: &'a [(Value, SlotId)],
    /// The values in whose memory lies what is to stay valid.
    keep: Vec<Value>,
    /// For each node, the last node that reads any of its outputs or a view of one; its own number where none does.
    last_use: Vec<usize>,
    lowered: Lowered,
    /// The transients in use.
    owned: BTreeMap<Value, Owned>,
}

impl Graph {
    /// Records this graph into the section that `plan` has begun, each op in the form that `choices` give it. Each value
    /// of `stores` is computed into its slot; those of `keep` stay valid until the end of the section, all others only as
    /// long as the graph needs them.
    ///
    /// # Errors
    /// Where a value of `stores` is a leaf or has two slots, or an op does not take the slots of its inputs.
    pub fn lower(
        &self,
        plan: &mut Plan,
        pool: &mut Pool,
        prefix: &str,
        stores: &[(Value, SlotId)],
        keep: &[Value],
        choices: &Choices,
    ) -> Result<Lowered> {
        let text = self.explain(&plan.memory);
        if let Some(section) = plan.sections.last_mut() {
            section.graph = text;
        }
        let (lowered, owned) = (Lowered::default(), BTreeMap::new());
        let mut lowerer = Lowerer { graph: self, plan, pool, stores, keep: vec![], last_use: vec![], lowered, owned };
        lowerer.check_stores()?;
        lowerer.keep = keep.iter().map(|&value| lowerer.backing(value)).collect();
        lowerer.last_use = lowerer.last_uses();
        for number in 0..self.nodes.len() {
            lowerer.node(number, prefix, choices)?;
        }
        let Lowerer { pool, lowered, owned, .. } = lowerer;
        pool.release(owned.into_values());
        Ok(lowered)
    }
}

impl Lowerer<'_> {
    /// Gives each output of a node a slot, and records the node.
    fn node(&mut self, number: usize, prefix: &str, choices: &Choices) -> Result<()> {
        let node = &self.graph.nodes[number];
        let Some(op) = &node.op else {
            self.lowered.slots.extend(node.outputs.iter().copied().zip(node.slot));
            return Ok(());
        };
        let name = format!("{prefix}/{}.{number}", node.scope.replace(' ', "."));
        let in_place = self.in_place(op.as_ref(), number);
        for &output in &node.outputs {
            let nth = if output.output == 0 { String::new() } else { format!(".{}", output.output) };
            let replaced = in_place.filter(|&(_, shared)| shared == output).map(|(input, _)| input);
            let slot = self.place(output, &format!("{name}{nth}"), replaced)?;
            self.lowered.slots.insert(output, slot);
        }
        if node.outputs.iter().any(|&output| self.backing(output) == output) {
            let types: Vec<&TensorType> = node.inputs.iter().map(|&input| self.graph.ty(input)).collect();
            let form = in_place.map_or_else(|| choices.form(op.as_ref(), &types), |_| Ok(Form::IN_PLACE))?;
            let slots = |values: &[Value]| values.iter().filter_map(|&value| self.lowered.slot(value)).collect();
            let [inputs, outputs]: [Vec<SlotId>; 2] = [slots(&node.inputs), slots(&node.outputs)];
            let mut cx = Lowering::new(self.plan, self.pool, &node.scope, &name);
            op.lower(form, &mut cx, &inputs, &outputs)?;
            cx.end();
        }
        // Only now may a buffer be written again: no dispatch binds one buffer to read and to write.
        let values = node.inputs.iter().chain(&node.outputs).map(|&value| self.backing(value));
        let done: Vec<Value> = values.filter(|&value| self.is_over(value, number)).collect();
        self.pool.release(done.iter().filter_map(|value| self.owned.remove(value)));
        Ok(())
    }

    /// A slot for a value: the one it is stored in, that of the value it is a view of, that of the value it replaces, or a
    /// transient.
    fn place(&mut self, value: Value, name: &str, replaced: Option<Value>) -> Result<SlotId> {
        let ty = self.graph.ty(value);
        if let Some(slot) = self.stored(value) {
            return Ok(slot);
        }
        if let Some(slot) = self.lowered.slot(self.backing(value)) {
            return self.plan.memory.view(slot, name, ty.shape.clone());
        }
        if let Some((slot, buffer)) =
            replaced.and_then(|input| Some((self.lowered.slot(input)?, self.owned.remove(&self.backing(input))?)))
        {
            self.plan.reused_words = self.plan.reused_words.saturating_add(ty.words()?);
            self.owned.insert(value, buffer);
            return self.plan.memory.view(slot, name, ty.shape.clone());
        }
        let (buffer, slot) = self.pool.take(self.plan, name, ty)?;
        self.owned.insert(value, buffer);
        Ok(slot)
    }

    /// The input and the output of a node that are to share storage: the op can, both are of one type, the input is a
    /// transient that nobody reads later or besides, and the output has no place of its own.
    fn in_place(&self, op: &dyn Op, number: usize) -> Option<(Value, Value)> {
        let node = &self.graph.nodes[number];
        op.in_place().iter().find_map(|&(input, output)| {
            let (&input, &output) = (node.inputs.get(input)?, node.outputs.get(output)?);
            let backing = self.backing(input);
            let once = node.inputs.iter().filter(|&&other| self.backing(other) == backing).count() == 1;
            let free = once && self.owned.contains_key(&backing) && self.is_over(backing, number);
            let placed = self.stored(output).is_some() || self.backing(output) != output;
            (free && !placed && self.graph.ty(input) == self.graph.ty(output)).then_some((input, output))
        })
    }

    /// Whether nobody needs what lies in the memory of `value` after node `number`.
    fn is_over(&self, value: Value, number: usize) -> bool {
        self.last_use[value.node] <= number && !self.keep.contains(&value)
    }

    /// The slot that the caller wants a value in.
    fn stored(&self, value: Value) -> Option<SlotId> {
        self.stores.iter().find(|(other, _)| *other == value).map(|(_, slot)| *slot)
    }

    fn check_stores(&self) -> Result<()> {
        for &(value, slot) in self.stores {
            if self.graph.nodes[value.node].op.is_none() || self.stored(value) != Some(slot) {
                let name = &self.plan.memory.slot(slot).name;
                return Err(mistake(format!("{name}: what it is to store is not computed into it but elsewhere")));
            }
        }
        Ok(())
    }

    /// The value in whose memory this one lies: itself, unless it is a view that is not stored elsewhere.
    fn backing(&self, value: Value) -> Value {
        let mut backing = value;
        let is_view = |value: Value| self.graph.nodes[value.node].op.as_ref().is_some_and(|op| op.is_view());
        while self.stored(backing).is_none() && is_view(backing) {
            backing = self.graph.nodes[backing.node].inputs[0];
        }
        backing
    }

    fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.graph.nodes.len()).collect();
        for (number, node) in self.graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| last[self.backing(input).node] = number);
        }
        last
    }
}
