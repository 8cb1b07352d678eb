//! Lowers a graph to a plan: assigns a slot to every value, reuses transients after their last use, and records
//! kernels.

use super::lowering::Owned;
use super::{Choices, Form, Graph, Lowering, Op, Pool, Value, mistake};
use crate::error::Result;
use crate::plan::{Plan, SlotId};
use crate::shape::TensorType;
use std::collections::BTreeMap;

/// Locations of a lowered graph's values.
#[derive(Debug, Default)]
pub struct Lowered {
    slots: BTreeMap<Value, SlotId>,
}

impl Lowered {
    /// The slot of a lowered value.
    pub fn slot(&self, value: Value) -> Option<SlotId> {
        self.slots.get(&value).copied()
    }
}

/// State of the lowering of a graph.
struct Lowerer<'a> {
    graph: &'a Graph,
    plan: &'a mut Plan,
    pool: &'a mut Pool,
    stores: &'a [(Value, SlotId)],
    /// The values whose memory must stay valid.
    keep: Vec<Value>,
    /// For each node, the last node that reads any of its outputs or a view of one; its own index if there is none.
    last_use: Vec<usize>,
    lowered: Lowered,
    /// Live transients.
    owned: BTreeMap<Value, Owned>,
}

impl Graph {
    /// Records this graph into the last section of `plan`, each op in the form given by `choices`. Each value in
    /// `stores` is computed into its slot; those in `keep` stay valid until the end of the section, all others only
    /// until their last use.
    ///
    /// # Errors
    /// If a value in `stores` is a leaf or has two slots, or an op does not accept its inputs' slots.
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
    /// Assigns a slot to each output of a node, and records the node.
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
        // Only now may a buffer be written again: no dispatch binds a buffer both read-only and writable.
        let values = node.inputs.iter().chain(&node.outputs).map(|&value| self.backing(value));
        let done: Vec<Value> = values.filter(|&value| self.is_over(value, number)).collect();
        self.pool.release(done.iter().filter_map(|value| self.owned.remove(value)));
        Ok(())
    }

    /// A slot for a value: the one it is stored in, that of the value it is a view of, that of the value it replaces,
    /// or a transient.
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

    /// The input and output of a node that share memory: if the op supports it, both have the same type, the input is a
    /// transient with no other or later use, and the output has no slot of its own.
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

    /// Whether the memory of `value` is unused after node `number`.
    fn is_over(&self, value: Value, number: usize) -> bool {
        self.last_use[value.node] <= number && !self.keep.contains(&value)
    }

    /// The slot the caller requested for a value.
    fn stored(&self, value: Value) -> Option<SlotId> {
        self.stores.iter().find(|(other, _)| *other == value).map(|(_, slot)| *slot)
    }

    fn check_stores(&self) -> Result<()> {
        for &(value, slot) in self.stores {
            if self.graph.nodes[value.node].op.is_none() || self.stored(value) != Some(slot) {
                let name = &self.plan.memory.slot(slot).name;
                return Err(mistake(format!("{name}: the value to store is not computed into this slot")));
            }
        }
        Ok(())
    }

    /// The value whose memory this one uses: itself, unless it is a view that is not stored elsewhere.
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
