//! Updates that products do on their way out.

use crate::error::Result;
use crate::graph::mistake;
use crate::ops::matmul::{MatmulParams, TN_ADAM, TnAdamParams, gradients_of_layer};
use crate::ops::update::adam::AdamParams;
use crate::ops::word;
use crate::plan::{ALIGNMENT_WORDS, Arena, Plan, Slot, SlotId};
use std::ops::Range;

/// A dispatch that gives the gradients of a weight and of the bias beside it, by its number in the section.
pub(super) struct GradientProduct {
    number: usize,
    params: MatmulParams,
    /// The words of the arena that are bound: all, or from the weight to the bias where all are too many.
    bound: Range<usize>,
    /// Where in these weight and bias begin.
    at: [u32; 2],
}

/// The products that give all gradients of the section begun last, where nothing reads a weight after the product that
/// gives its gradient, and one binding holds a weight and its bias: each can then update what it gives the gradients of.
pub(super) fn gradient_products(plan: &Plan, [weights, gradients]: [&Arena; 2]) -> Option<Vec<GradientProduct>> {
    let dispatches = &plan.sections.last()?.dispatches;
    let of_gradient = |gradient: SlotId| {
        let place = gradients.tensors.iter().position(|&id| id == gradient)?;
        Some(plan.memory.slot(weights.tensors[place]))
    };
    let mut products = Vec::new();
    for (number, dispatch) in dispatches.iter().enumerate() {
        let Some((params, outputs)) = gradients_of_layer(dispatch) else { continue };
        let [Some(weight), Some(bias)] = outputs.map(of_gradient) else { continue };
        let mut later = dispatches[number + 1..].iter().flat_map(|dispatch| &dispatch.slots);
        if later.any(|&id| [weight, bias].iter().any(|slot| slot.overlaps(plan.memory.slot(id)))) {
            return None;
        }
        let bound = bound(plan, weights, [weight, bias])?;
        let at = [weight, bias].map(|slot| (slot.offset - bound.start) as u32);
        products.push(GradientProduct { number, params, bound, at });
    }
    (2 * products.len() == gradients.tensors.len()).then_some(products)
}

/// The words of an arena to bind for two of its tensors, where one binding can hold them.
fn bound(plan: &Plan, arena: &Arena, tensors: [&Slot; 2]) -> Option<Range<usize>> {
    let words = plan.memory.slot(arena.all).words;
    if plan.memory.can_bind(words) {
        return Some(0..words);
    }
    let [a, b] = tensors.map(|slot| (slot.offset, (slot.offset + slot.words).next_multiple_of(ALIGNMENT_WORDS)));
    let span = a.0.min(b.0)..a.1.max(b.1);
    plan.memory.can_bind(span.len()).then_some(span)
}

impl GradientProduct {
    /// Lets the product also move weight and bias a step on; `arenas` are the bindings of weights and moments.
    pub(super) fn update(
        &self,
        plan: &mut Plan,
        adam: AdamParams,
        rates: SlotId,
        arenas: &[(&str, SlotId)],
    ) -> Result<()> {
        let lost = || mistake("a product that was recorded is gone".to_owned());
        let product = plan.sections.last().and_then(|section| section.dispatches.get(self.number)).ok_or_else(lost)?;
        let label = format!("{} and update", product.label);
        let adam = AdamParams { n: word(self.bound.len())?, ..adam };
        let params = TnAdamParams::new(self.params, adam, self.at);
        let product = product.clone();
        let own = product.bindings().map(|(binding, slot)| (binding.name.as_str(), slot));
        let mut bindings: Vec<_> = own.chain([("rates", rates)]).collect();
        for &(name, arena) in arenas {
            bindings.push((name, plan.memory.window(arena, self.bound.clone())?));
        }
        plan.dispatch(label, &TN_ADAM, params, &bindings)?;
        if let Some(section) = plan.sections.last_mut() {
            section.dispatches.swap_remove(self.number); // what was appended takes its place
        }
        Ok(())
    }
}
