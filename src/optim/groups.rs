//! Which parameters of an arena are updated alike.

use crate::error::Result;
use crate::ops::word;
use crate::plan::{ALIGNMENT_WORDS, Arena, Memory, Role, Window};
use crate::shape::Shape;
use std::ops::Range;

/// Parameters that are updated alike. What lies in no group is frozen: neither the parameters nor what the optimizer
/// keeps for them changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Where in the arena they lie, in words; both ends are multiples of [`ALIGNMENT_WORDS`].
    pub range: Range<usize>,
    /// How much of the optimizer's weight decay acts on them: 1 for all, 0 for none.
    pub decay: f32,
}

/// What one dispatch updates: parameters that decay, then parameters that do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdatePart {
    /// How many parameters there are.
    pub n: u32,
    /// How many of them decay, from the first on.
    pub decayed: u32,
    /// [`Group::decay`] of those.
    pub factor: f32,
}

impl UpdatePart {
    /// As kernels take it: how many parameters decay, and by which strength, where the optimizer has `weight_decay`.
    pub fn decay(&self, weight_decay: f64) -> (u32, f32) {
        let decay = weight_decay as f32 * self.factor;
        (if decay > 0.0 { self.decayed } else { 0 }, decay)
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

/// The groups of a [`parameter_arena`]: what decays, with the gaps between tensors, and what does not.
pub fn groups(memory: &Memory, weights: &Arena) -> Vec<Group> {
    let slots = weights.tensors.iter().map(|&id| memory.slot(id)).filter(|slot| decays(&slot.ty.shape));
    let end = slots.map(|slot| slot.offset + slot.words).max().unwrap_or(0).next_multiple_of(ALIGNMENT_WORDS);
    let words = memory.slot(weights.all).words;
    let all = [Group { range: 0..end, decay: 1.0 }, Group { range: end..words, decay: 0.0 }];
    all.into_iter().filter(|group| !group.range.is_empty()).collect()
}

/// The fewest parts that update these groups, which follow one another; each with the range of the arena it updates.
///
/// # Errors
/// Where a size does not fit the device's 32-bit indices.
pub(super) fn parts(groups: &[Group]) -> Result<Vec<(Range<usize>, UpdatePart)>> {
    let mut parts: Vec<(Range<usize>, UpdatePart)> = Vec::new();
    for Group { range, decay } in groups {
        let n = word(range.len())?;
        if let Some((all, part)) = parts.last_mut().filter(|(all, _)| all.end == range.start) {
            let alike = *decay > 0.0 && *decay == part.factor && part.decayed == part.n;
            if alike || *decay == 0.0 {
                all.end = range.end;
                part.n = word(all.len())?;
                part.decayed += if alike { n } else { 0 };
                continue;
            }
        }
        parts.push((range.clone(), UpdatePart { n, decayed: if *decay > 0.0 { n } else { 0 }, factor: *decay }));
    }
    Ok(parts)
}

impl UpdatePart {
    /// What of it lies in a window.
    pub(super) fn window(&self, window: &Window) -> Result<Self> {
        Ok(Self { n: word(window.words())?, decayed: word(window.of_first(self.decayed as usize))?, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_updated_in_as_few_parts_as_can_be() {
        let of = |groups: &[(Range<usize>, f32)]| {
            let groups = groups.iter().map(|(range, decay)| Group { range: range.clone(), decay: *decay });
            let parts = parts(&groups.collect::<Vec<_>>()).expect("they are small");
            parts.into_iter().map(|(range, part)| (range, part.decayed, part.factor)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[(0..128, 1.0), (128..192, 0.0)]), [(0..192, 128, 1.0)]);
        assert_eq!(of(&[(0..64, 0.0), (64..128, 0.0)]), [(0..128, 0, 0.0)]);
        assert_eq!(of(&[(0..64, 1.0), (64..128, 1.0)]), [(0..128, 128, 1.0)]);
        assert_eq!(of(&[(0..64, 1.0), (64..128, 0.5)]), [(0..64, 64, 1.0), (64..128, 64, 0.5)]);
        assert_eq!(of(&[(0..64, 0.0), (64..128, 1.0)]), [(0..64, 0, 0.0), (64..128, 64, 1.0)]);
        assert_eq!(of(&[(0..64, 1.0), (64..128, 0.0), (128..192, 1.0)]), [(0..128, 64, 1.0), (128..192, 64, 1.0)]);
        assert_eq!(of(&[(0..64, 1.0), (128..192, 0.0)]), [(0..64, 64, 1.0), (128..192, 0, 0.0)]);
    }
}
