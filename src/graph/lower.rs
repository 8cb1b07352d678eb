//! From graph to plan: a slot for every value, transients reused as soon as nobody needs them, kernels recorded.

use super::{Graph, Value, mistake};
use crate::error::Result;
use crate::plan::{Plan, Role, SlotId};
use crate::shape::{DType, Layout, TensorType};
use std::collections::BTreeMap;

/// Buffers of transients that are free to be used again, by element type, layout and size.
///
/// Sections of one plan may share a pool, for transients live within one run of a section.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Owned>,
}

/// A buffer that belongs to a value for a while: what its elements are, its size in words, and the slot that is all of it.
#[derive(Clone, Copy, Debug)]
struct Owned {
    kind: (DType, Layout),
    words: usize,
    whole: SlotId,
}

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

impl Pool {
    /// A transient of this type: in the smallest free buffer that holds it, else in a new one.
    fn take(&mut self, plan: &mut Plan, name: &str, ty: &TensorType) -> Result<(Owned, SlotId)> {
        let (kind, words) = ((ty.dtype, ty.layout), ty.words()?);
        // A buffer more than twice as big is left for something bigger.
        let sizes = words..=words.saturating_mul(2);
        let fits = |free: &Owned| free.kind == kind && sizes.contains(&free.words);
        let fits = self.free.iter().enumerate().filter(|(_, free)| fits(free));
        if let Some(place) = fits.min_by_key(|(_, free)| free.words).map(|(place, _)| place) {
            let owned = self.free.swap_remove(place);
            plan.reused_words = plan.reused_words.saturating_add(words);
            return Ok((owned, plan.memory.view(owned.whole, name, ty.shape.clone())?));
        }
        let whole = plan.memory.tensor(name, Role::Transient, ty.clone())?;
        Ok((Owned { kind, words, whole }, whole))
    }
}

impl Graph {
    /// Records this graph into the section that `plan` has begun. Each value of `stores` is computed into its slot;
    /// those of `keep` stay valid until the end of the section, all others only as long as the graph needs them.
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
    ) -> Result<Lowered> {
        let text = self.explain(&plan.memory);
        if let Some(section) = plan.sections.last_mut() {
            section.graph = text;
        }
        let stored = |value: Value| stores.iter().find(|(other, _)| *other == value).map(|(_, slot)| *slot);
        for &(value, slot) in stores {
            if self.nodes[value.node].op.is_none() || stored(value) != Some(slot) {
                let name = &plan.memory.slot(slot).name;
                return Err(mistake(format!("{name}: what it is to store is not computed into it but elsewhere")));
            }
        }
        let backing = |value: Value| self.backing(value, |view| stored(view).is_some());
        let last_use = self.last_uses(backing);
        let keep: Vec<Value> = keep.iter().map(|&value| backing(value)).collect();
        let mut lowered = Lowered::default();
        let mut owned: BTreeMap<Value, Owned> = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(op) = &node.op else {
                lowered.slots.extend(node.outputs.iter().copied().zip(node.slot));
                continue;
            };
            for (&output, ty) in node.outputs.iter().zip(&node.types) {
                let nth = if output.output == 0 { String::new() } else { format!(".{}", output.output) };
                let name = format!("{prefix}/{}.{number}{nth}", node.scope.replace(' ', "."));
                let viewed = lowered.slot(backing(output));
                let slot = if let Some(slot) = stored(output) {
                    slot
                } else if let Some(slot) = viewed {
                    plan.memory.view(slot, &name, ty.shape.clone())?
                } else {
                    let (buffer, slot) = pool.take(plan, &name, ty)?;
                    owned.insert(output, buffer);
                    slot
                };
                lowered.slots.insert(output, slot);
            }
            if node.outputs.iter().any(|&output| backing(output) == output) {
                let slots =
                    |values: &[Value]| values.iter().filter_map(|&value| lowered.slot(value)).collect::<Vec<_>>();
                op.lower(plan, &node.scope, &slots(&node.inputs), &slots(&node.outputs))?;
            }
            // Only now may a buffer be written again: no dispatch binds one buffer to read and to write.
            let over = |value: &Value| last_use[value.node] <= number && !keep.contains(value);
            let values = node.inputs.iter().chain(&node.outputs).map(|&value| backing(value));
            let done: Vec<Value> = values.filter(over).collect();
            pool.free.extend(done.iter().filter_map(|value| owned.remove(value)));
        }
        pool.free.extend(owned.into_values());
        Ok(lowered)
    }

    /// The value in whose memory this one lies: itself, unless it is a view that is not `stored` elsewhere.
    fn backing(&self, value: Value, stored: impl Fn(Value) -> bool) -> Value {
        let mut backing = value;
        while !stored(backing) && self.nodes[backing.node].op.as_ref().is_some_and(|op| op.is_view()) {
            backing = self.nodes[backing.node].inputs[0];
        }
        backing
    }

    /// For each node, the last node that reads any of its outputs or a view of one; its own number where none does.
    fn last_uses(&self, backing: impl Fn(Value) -> Value) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.nodes.len()).collect();
        for (number, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| last[backing(input).node] = number);
        }
        last
    }
}
