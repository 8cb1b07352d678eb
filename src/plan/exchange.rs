//! Data carried over from one plan to the next: slots with the same name and type, regardless of their position in
//! buffers.

use super::{Buffer, Memory, Role, SlotId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What stays on the device when an executor switches to another plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The data that both plans have. Everything else is zero: the next plan starts a new run.
    Data,
    /// Data, parameters, optimizer state and carried state that both plans have.
    Shared,
    /// All of these, including those only the earlier plan has: they stay next to the next plan's memory, can be read
    /// there, and are picked up by a later plan that has them again.
    All,
}

impl Keep {
    fn keeps(self, role: Role) -> bool {
        role == Role::Data || (self != Self::Data && role.is_saved())
    }
}

/// A copy from a buffer of the earlier plan to one of the next: buffer and offset of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Buffer of the earlier plan, and offset.
    pub from: (usize, usize),
    /// Buffer of the next plan, and offset.
    pub to: (usize, usize),
    /// Number of words.
    pub words: usize,
}

/// The contents that the next plan's buffers, held as `B`, take over; nothing by default.
#[derive(Debug)]
pub struct Exchange<B> {
    /// Buffers of the next plan, with the buffer of the earlier one that they reuse.
    moves: BTreeMap<usize, usize>,
    /// The copies.
    copies: Vec<Transfer>,
    /// The earlier plan's buffers that are moved or copied from.
    held: BTreeMap<usize, B>,
}

impl<B> Default for Exchange<B> {
    fn default() -> Self {
        Self { moves: BTreeMap::new(), copies: Vec::new(), held: BTreeMap::new() }
    }
}

impl<B> Exchange<B> {
    /// What `next` takes over from `before`, whose buffers are `held`, in order; the rest of them is dropped. With
    /// [`Keep::All`], the buffers that only `before` has are added to `next`.
    ///
    /// Arrays and tensors of arenas are matched by name and type; the first of a name is used first. A buffer with the
    /// same layout in both is moved; otherwise tensors are copied.
    pub fn between(before: &Memory, held: Vec<B>, next: &mut Memory, keep: Keep) -> Self {
        let kept = |buffer: &&Buffer| keep.keeps(buffer.role);
        let mut found: BTreeMap<&str, VecDeque<SlotId>> = BTreeMap::new();
        let tensors = before.buffers().iter().filter(kept).flat_map(|buffer| &buffer.tensors);
        let mut tensors: Vec<SlotId> = tensors.copied().collect();
        tensors.sort_unstable();
        tensors.iter().for_each(|&id| found.entry(&before.slot(id).name).or_default().push_back(id));
        let (mut moves, mut copies) = (BTreeMap::new(), Vec::new());
        for (index, buffer) in next.buffers().iter().enumerate().filter(|(_, buffer)| kept(buffer)) {
            let mut source = |&id: &SlotId| {
                let (slot, known) = (next.slot(id), found.get_mut(next.slot(id).name.as_str())?);
                let place = known.iter().position(|&old| before.slot(old).ty == slot.ty)?;
                Some((known.remove(place)?, id))
            };
            let pairs: Vec<(SlotId, SlotId)> = buffer.tensors.iter().filter_map(&mut source).collect();
            match pairs.first().map(|&(old, _)| before.slot(old).buffer) {
                Some(old) if is_same(&before.buffers()[old], buffer, &pairs, [before, next]) => {
                    moves.insert(index, old);
                }
                _ => copies.extend(pairs.iter().map(|&(old, new)| {
                    let (old, new) = (before.slot(old), next.slot(new));
                    Transfer { from: (old.buffer, old.offset), to: (new.buffer, new.offset), words: new.words }
                })),
            }
        }
        if keep == Keep::All {
            let left = found.into_values().flatten().filter(|&id| next.find(&before.slot(id).name).is_none());
            let left: BTreeSet<usize> = left.map(|id| before.slot(id).buffer).collect();
            for old in left {
                moves.insert(next.buffers().len(), old);
                next.adopt(before, old);
            }
        }
        let used = |old: &usize| moves.values().any(|of| of == old) || copies.iter().any(|copy| copy.from.0 == *old);
        let held = held.into_iter().enumerate().filter(|(old, _)| used(old)).collect();
        Self { moves, copies, held }
    }

    /// Whether a buffer of the next plan reuses one of the earlier plan, and needs no memory of its own.
    pub fn moves(&self, buffer: usize) -> bool {
        self.moves.contains_key(&buffer)
    }

    /// The copies, each with its source buffer; to be made before any buffer is taken.
    pub fn copies(&self) -> impl Iterator<Item = (&B, Transfer)> {
        self.copies.iter().filter_map(|copy| Some((self.held.get(&copy.from.0)?, *copy)))
    }

    /// The earlier buffer that this one of the next plan reuses.
    pub fn take(&mut self, buffer: usize) -> Option<B> {
        self.held.remove(self.moves.get(&buffer)?)
    }
}

/// Whether these buffers consist of the same tensors, given by `pairs`, at the same offsets.
fn is_same(old: &Buffer, new: &Buffer, pairs: &[(SlotId, SlotId)], [before, next]: [&Memory; 2]) -> bool {
    let same_place = |&(old_id, new_id): &(SlotId, SlotId)| {
        let (a, b) = (before.slot(old_id), next.slot(new_id));
        old.tensors.contains(&old_id) && a.offset == b.offset
    };
    let whole = [old.tensors.len(), new.tensors.len()] == [pairs.len(); 2];
    whole && old.words == new.words && pairs.iter().all(same_place)
}

impl Memory {
    /// Whether an executor of `before` has all of this memory's data on its device.
    pub fn finds_data_in(&self, before: &Self) -> bool {
        let exchange = Exchange::between(before, vec![(); before.buffers().len()], &mut self.clone(), Keep::Data);
        let data = self.buffers().iter().enumerate().filter(|(_, buffer)| buffer.role == Role::Data);
        data.into_iter().all(|(index, _)| exchange.moves(index))
    }
}
