//! The dispatches of an update in a plan.

use super::clip::record_clip;
use super::fusion::gradient_products;
use super::groups::parts;
use super::{Group, UpdateConfig, UpdatePart, groups};
use crate::error::Result;
use crate::ops::word;
use crate::plan::{Arena, Plan, Role, SlotId};
use std::ops::Range;

impl UpdateConfig {
    /// Records what sets the learning rate of the step that has begun, in a run of `steps` steps. A constant rate costs
    /// nothing.
    ///
    /// # Errors
    /// If the steps do not fit 32 bits.
    pub fn record_schedule(&self, plan: &mut Plan, steps: usize, counters: SlotId, rates: SlotId) -> Result<()> {
        self.schedule.record(plan, [self.warmup, word(steps)?], [counters, rates])
    }

    /// [`Self::record_groups`] with the groups of [`super::groups()`]: matrices decay, biases and the gains of norms do not.
    ///
    /// # Errors
    /// If a size does not fit the device's 32-bit indices.
    pub fn record(&self, plan: &mut Plan, arenas: [&Arena; 2], rates: SlotId, most_fused: Option<usize>) -> Result<()> {
        self.record_groups(plan, arenas, rates, &groups(&plan.memory, arenas[0]), most_fused)
    }

    /// Records what clips the gradients and updates the weights of these groups, which follow one another. Both arenas are
    /// of one layout, that of [`super::parameter_arena`]. Products update what they give the gradients of, if they can, all
    /// parameters are in a group, and the arena is of no more than `most_fused` words; `Caps::most_fused` says how many are
    /// best.
    ///
    /// # Errors
    /// If a size does not fit the device's 32-bit indices, or a group does not begin and end where slots may.
    pub fn record_groups(
        &self,
        plan: &mut Plan,
        [weights, gradients]: [&Arena; 2],
        rates: SlotId,
        groups: &[Group],
        most_fused: Option<usize>,
    ) -> Result<()> {
        let parts = parts(groups)?;
        if let Some(max_norm) = self.clip_norm {
            let bound = parts.iter().map(|(range, _)| plan.memory.window(gradients.all, range.clone()));
            let bound = bound.collect::<Result<Vec<_>>>()?;
            record_clip(plan, max_norm, &bound)?;
        }
        let mut arenas = vec![("weight", weights.all)];
        for name in self.optimizer.state() {
            arenas.push((name, plan.memory.arena_like(weights, name, Role::Optimizer).all));
        }
        let words = plan.memory.slot(weights.all).words;
        let fused = self.clip_norm.is_none() && most_fused.is_none_or(|most| words <= most);
        if let [(range, part)] = parts.as_slice()
            && *range == (0..words)
            && let Some(adam) = self.optimizer.as_adam(*part).filter(|_| fused)
            && let Some(products) = gradient_products(plan, [weights, gradients])
        {
            return products.iter().try_for_each(|product| product.update(plan, adam, rates, &arenas));
        }
        arenas.push(("gradient", gradients.all));
        parts.into_iter().try_for_each(|(range, part)| self.record_part(plan, &arenas, rates, range, part))
    }

    /// Records the update of a range of the arenas, in as many windows as it takes to bind them.
    fn record_part(
        &self,
        plan: &mut Plan,
        arenas: &[(&str, SlotId)],
        rates: SlotId,
        range: Range<usize>,
        part: UpdatePart,
    ) -> Result<()> {
        let slots =
            arenas.iter().map(|&(_, slot)| plan.memory.window(slot, range.clone())).collect::<Result<Vec<_>>>()?;
        for window in plan.memory.windows(&slots)? {
            let bound = arenas.iter().zip(&window.slots).map(|(&(name, _), &slot)| (name, slot));
            let bindings: Vec<_> = bound.chain([("rates", rates)]).collect();
            self.optimizer.record(plan, part.window(&window)?, &bindings)?;
        }
        Ok(())
    }
}
