//! The dispatches of an update in a plan.

use super::clip::record_clip;
use super::fusion::gradient_products;
use super::{UpdateConfig, UpdatePart};
use crate::error::Result;
use crate::ops::word;
use crate::plan::{Arena, Plan, Role, SlotId};

impl UpdateConfig {
    /// Records what sets the learning rate of the step that has begun, in a run of `steps` steps. A constant rate costs
    /// nothing.
    ///
    /// # Errors
    /// If the steps do not fit 32 bits.
    pub fn record_schedule(&self, plan: &mut Plan, steps: usize, counters: SlotId, rates: SlotId) -> Result<()> {
        self.schedule.record(plan, [self.warmup, word(steps)?], [counters, rates])
    }

    /// Records what clips the gradients and updates the weights. Both arenas are of one layout, that of
    /// [`super::parameter_arena`]. Products update what they give the gradients of, where they can and the arena is of no
    /// more than `most_fused` words; `Caps::most_fused` says how many are best.
    ///
    /// # Errors
    /// Where a size does not fit the device's 32-bit indices.
    pub fn record(
        &self,
        plan: &mut Plan,
        [weights, gradients]: [&Arena; 2],
        rates: SlotId,
        most_fused: Option<usize>,
    ) -> Result<()> {
        if let Some(max_norm) = self.clip_norm {
            record_clip(plan, max_norm, gradients)?;
        }
        let mut arenas = vec![("weight", weights.all)];
        for name in self.optimizer.state() {
            arenas.push((name, plan.memory.arena_like(weights, name, Role::Optimizer).all));
        }
        let words = plan.memory.slot(weights.all).words;
        let part = UpdatePart::whole(&plan.memory, weights)?;
        let fused = self.clip_norm.is_none() && most_fused.is_none_or(|most| words <= most);
        if let Some(adam) = self.optimizer.as_adam(part).filter(|_| fused)
            && let Some(products) = gradient_products(plan, [weights, gradients])
        {
            return products.iter().try_for_each(|product| product.update(plan, adam, rates, &arenas));
        }
        arenas.push(("gradient", gradients.all));
        let (names, slots): (Vec<&str>, Vec<SlotId>) = arenas.into_iter().unzip();
        for window in plan.memory.windows(&slots)? {
            let bindings = names.iter().copied().zip(window.slots.iter().copied()).chain([("rates", rates)]);
            self.optimizer.record(plan, part.window(&window)?, &bindings.collect::<Vec<_>>())?;
        }
        Ok(())
    }
}
