//! Updates that products do on their way out.

use crate::error::Result;
use crate::graph::mistake;
use crate::ops::matmul::{MatmulParams, TN_ADAM, TnAdamParams, gradients_of_layer};
use crate::ops::update::adam::AdamParams;
use crate::plan::{Arena, Plan, SlotId};

/// A dispatch that gives the gradients of a weight and of the bias beside it, by its number in the section.
pub(super) struct GradientProduct {
    number: usize,
    params: MatmulParams,
    /// Where weight and bias begin in their arena.
    at: [u32; 2],
}

/// The products that give all gradients of the section begun last, where nothing reads a weight after the product that
/// gives its gradient: each can then update what it gives the gradients of.
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
        let at = [u32::try_from(weight.offset).ok()?, u32::try_from(bias.offset).ok()?];
        products.push(GradientProduct { number, params, at });
    }
    (2 * products.len() == gradients.tensors.len()).then_some(products)
}

impl GradientProduct {
    /// Lets the product also move weight and bias a step on; `state` are the bindings that the update takes.
    pub(super) fn update(&self, plan: &mut Plan, adam: AdamParams, state: &[(&str, SlotId)]) -> Result<()> {
        let lost = || mistake("a product that was recorded is gone".to_owned());
        let product = plan.sections.last().and_then(|section| section.dispatches.get(self.number)).ok_or_else(lost)?;
        let label = format!("{} and update", product.label);
        let params = TnAdamParams::new(self.params, adam, self.at);
        let product = product.clone();
        let own = product.bindings().map(|(binding, slot)| (binding.name.as_str(), slot));
        let bindings: Vec<_> = own.chain(state.iter().copied()).collect();
        plan.dispatch(label, &TN_ADAM, params, &bindings)?;
        if let Some(section) = plan.sections.last_mut() {
            section.dispatches.swap_remove(self.number); // what was appended takes its place
        }
        Ok(())
    }
}
