//! Which parameters of an arena are updated alike.

use crate::error::Result;
use crate::ops::word;
use crate::plan::{ALIGNMENT_WORDS, Arena, Memory, Role, Window};
use crate::shape::Shape;

/// What one dispatch updates: parameters that decay, then parameters that do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdatePart {
    /// How many parameters there are.
    pub n: u32,
    /// How many of them decay, from the first on.
    pub decayed: u32,
}

impl UpdatePart {
    /// As kernels take it: how many parameters decay, and by which strength, where the optimizer has `weight_decay`.
    pub fn decay(&self, weight_decay: f64) -> (u32, f32) {
        (if weight_decay > 0.0 { self.decayed } else { 0 }, weight_decay as f32)
    }
}

/// Whether weight decay acts on a parameter of this shape: on matrices, not on biases and the gains of norms.
fn decays(shape: &Shape) -> bool {
    shape.extents().len() > 1
}

/// An arena of parameters, or of their gradients, that holds those that decay first. Its tensors are listed as given.
///
/// # Errors
/// Where the elements of a shape cannot be counted.
pub fn parameter_arena(memory: &mut Memory, name: &str, role: Role, tensors: &[(String, Shape)]) -> Result<Arena> {
    let (first, last): (Vec<usize>, Vec<usize>) = (0..tensors.len()).partition(|&i| decays(&tensors[i].1));
    let order = [first, last].concat();
    let ordered: Vec<_> = order.iter().map(|&i| tensors[i].clone()).collect();
    let arena = memory.arena(name, role, &ordered)?;
    let mut listed: Vec<_> = order.into_iter().zip(arena.tensors).collect();
    listed.sort_unstable_by_key(|(place, _)| *place);
    Ok(Arena { tensors: listed.into_iter().map(|(_, slot)| slot).collect(), ..arena })
}

impl UpdatePart {
    /// The whole of a [`parameter_arena`]: what decays, with the gaps between tensors, then what does not.
    pub(super) fn whole(memory: &Memory, weights: &Arena) -> Result<Self> {
        let slots = weights.tensors.iter().map(|&id| memory.slot(id)).filter(|slot| decays(&slot.ty.shape));
        let end = slots.map(|slot| slot.offset + slot.words).max().unwrap_or(0);
        Ok(Self { n: word(memory.slot(weights.all).words)?, decayed: word(end.next_multiple_of(ALIGNMENT_WORDS))? })
    }

    /// What of it lies in a window.
    pub(super) fn window(&self, window: &Window) -> Result<Self> {
        Ok(Self { n: word(window.words())?, decayed: word(window.of_first(self.decayed as usize))? })
    }
}
