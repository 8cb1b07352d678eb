//! What one plan goes on with of the plan before it: slots of one name and type, wherever they lie in their buffers.

use super::{Buffer, Memory, Role, SlotId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What stays on the device when an executor goes on with another plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The data that both plans have. All else begins at zero: the next plan starts a run of its own.
    Data,
    /// The data, parameters, optimizer state and carried state that both plans have.
    Shared,
    /// All of these, also what only the earlier plan has: it stays beside the memory of the next plan, can be read there, and
    /// is taken up by a later plan that has it again.
    All,
}

impl Keep {
    fn keeps(self, role: Role) -> bool {
        role == Role::Data || (self != Self::Data && role.is_saved())
    }
}

/// Words that move from a buffer of the earlier plan to one of the next: buffer and offset of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The buffer of the earlier plan, and where in it they lie.
    pub from: (usize, usize),
    /// The buffer of the next plan, and where in it they are to lie.
    pub to: (usize, usize),
    /// How many there are.
    pub words: usize,
}

/// What the buffers of a plan, held as `B`, go on with; nothing by default.
#[derive(Debug)]
pub struct Exchange<B> {
    /// For buffers of the next plan, those of the earlier one whose place they take.
    moves: BTreeMap<usize, usize>,
    /// What is copied.
    copies: Vec<Transfer>,
    /// What holds the buffers of the earlier plan that are moved or copied from.
    held: BTreeMap<usize, B>,
}

impl<B> Default for Exchange<B> {
    fn default() -> Self {
        Self { moves: BTreeMap::new(), copies: Vec::new(), held: BTreeMap::new() }
    }
}

impl<B> Exchange<B> {
    /// What `next` goes on with of `before`, whose buffers are `held`, in their order; the rest of them is dropped. With
    /// [`Keep::All`], `next` gets the buffers that only `before` has.
    ///
    /// Arrays and tensors of arenas are found by name and type; the first of a name is taken first. A
    /// buffer that is made up alike in both is moved; out of others, tensors are copied.
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

    /// Whether a buffer of the next plan takes the place of one of the earlier plan, and needs no memory of its own.
    pub fn moves(&self, buffer: usize) -> bool {
        self.moves.contains_key(&buffer)
    }

    /// What is to be copied, each with the buffer that it comes from; before any is taken.
    pub fn copies(&self) -> impl Iterator<Item = (&B, Transfer)> {
        self.copies.iter().filter_map(|copy| Some((self.held.get(&copy.from.0)?, *copy)))
    }

    /// What holds the buffer whose place this one of the next plan takes.
    pub fn take(&mut self, buffer: usize) -> Option<B> {
        self.held.remove(self.moves.get(&buffer)?)
    }
}

/// Whether these buffers are made up of the same tensors, all of them `pairs`, at the same places.
fn is_same(old: &Buffer, new: &Buffer, pairs: &[(SlotId, SlotId)], [before, next]: [&Memory; 2]) -> bool {
    let same_place = |&(old_id, new_id): &(SlotId, SlotId)| {
        let (a, b) = (before.slot(old_id), next.slot(new_id));
        old.tensors.contains(&old_id) && a.offset == b.offset
    };
    let whole = [old.tensors.len(), new.tensors.len()] == [pairs.len(); 2];
    whole && old.words == new.words && pairs.iter().all(same_place)
}

impl Memory {
    /// Whether an executor of `before` has on its device all the data of this memory.
    pub fn finds_data_in(&self, before: &Self) -> bool {
        let exchange = Exchange::between(before, vec![(); before.buffers().len()], &mut self.clone(), Keep::Data);
        let data = self.buffers().iter().enumerate().filter(|(_, buffer)| buffer.role == Role::Data);
        data.into_iter().all(|(index, _)| exchange.moves(index))
    }
}
