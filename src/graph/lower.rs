//! From graph to plan: a slot for every value, transients reused as soon as nobody needs them, kernels recorded.

use super::{Graph, Value};
use crate::error::Result;
use crate::plan::{Plan, Role, SlotId};
use crate::shape::{DType, Shape};
use std::collections::BTreeMap;

/// Buffers of transients that are free to be used again, by their size in words.
///
/// Sections of one plan may share a pool, for transients live within one run of a section.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Owned>,
}

/// A buffer that belongs to a value for a while: its size in words, and the slot that is all of it.
#[derive(Clone, Copy, Debug)]
struct Owned {
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
    /// A transient of this shape: in the smallest free buffer that holds it, else in a new one.
    fn take(&mut self, plan: &mut Plan, name: &str, shape: &Shape) -> Result<(Owned, SlotId)> {
        let words = shape.words(DType::F32)?;
        // A buffer more than twice as big is left for something bigger.
        let fits = self.free.iter().enumerate().filter(|(_, free)| (words..=2 * words).contains(&free.words));
        if let Some(place) = fits.min_by_key(|(_, free)| free.words).map(|(place, _)| place) {
            let owned = self.free.swap_remove(place);
            plan.reused_words += words;
            return Ok((owned, plan.memory.view(owned.whole, name, shape.clone())?));
        }
        let whole = plan.memory.array(name, Role::Transient, DType::F32, shape.clone())?;
        Ok((Owned { words, whole }, whole))
    }
}

impl Graph {
    /// Records this graph into the section that `plan` has begun. Each value of `stores` is computed into its slot;
    /// those of `keep` stay valid until the end of the section, all others only as long as the graph needs them.
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
        let last_use = self.last_uses();
        let mut lowered = Lowered::default();
        let mut owned: BTreeMap<Value, Owned> = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(op) = &node.op else {
                lowered.slots.extend(node.outputs.iter().copied().zip(node.slot));
                continue;
            };
            for (&output, shape) in node.outputs.iter().zip(&node.shapes) {
                let slot = match stores.iter().find(|(value, _)| *value == output) {
                    Some(&(_, slot)) => slot,
                    None => {
                        let nth = if output.output == 0 { String::new() } else { format!(".{}", output.output) };
                        let name = format!("{prefix}/{}.{number}{nth}", node.scope.replace(' ', "."));
                        let (buffer, slot) = pool.take(plan, &name, shape)?;
                        owned.insert(output, buffer);
                        slot
                    }
                };
                lowered.slots.insert(output, slot);
            }
            let slots = |values: &[Value]| values.iter().filter_map(|value| lowered.slot(*value)).collect::<Vec<_>>();
            op.lower(plan, &node.scope, &slots(&node.inputs), &slots(&node.outputs))?;
            // Only now may a buffer be written again: no dispatch binds one buffer to read and to write.
            let over = |value: &Value| last_use[value.node] <= number && !keep.contains(value);
            let done: Vec<Value> =
                node.inputs.iter().chain(&node.outputs).filter(|value| over(value)).copied().collect();
            pool.free.extend(done.iter().filter_map(|value| owned.remove(value)));
        }
        pool.free.extend(owned.into_values());
        Ok(lowered)
    }

    /// For each node, the last node that reads any of its outputs; its own number where none does.
    fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.nodes.len()).collect();
        for (number, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|input| last[input.node] = number);
        }
        last
    }
}
