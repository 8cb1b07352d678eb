//! Windows: arrays larger than the binding limit are bound in parts, each in a dispatch of its own.

use super::{ALIGNMENT_WORDS, Memory, Slot, SlotId, mistake};
use crate::error::Result;
use crate::shape::DType;
use std::ops::Range;

/// The same range of words of several arrays, small enough to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The range of words in each array.
    pub range: Range<usize>,
    /// The slot of this range in each array.
    pub slots: Vec<SlotId>,
    /// Its number, from 1, and the number of windows.
    pub place: [usize; 2],
}

impl Window {
    /// Words per array.
    pub fn words(&self) -> usize {
        self.range.len()
    }

    /// How many of the first `count` words of an array are in it.
    pub fn of_first(&self, count: usize) -> usize {
        count.clamp(self.range.start, self.range.end) - self.range.start
    }

    /// The label of its dispatch; unchanged if there is only one window.
    pub fn label(&self, label: &str) -> String {
        match self.place {
            [_, 1] => label.to_owned(),
            [number, count] => format!("{label}, window {number} of {count}"),
        }
    }
}

impl Memory {
    /// Divides arrays of equal size into windows: a single one if they fit a binding, else several with as many words
    /// as can be bound. Windows cut across the tensors of an arena, so they are for operations that treat all elements
    /// alike.
    ///
    /// # Errors
    /// If the sizes differ, or an array that needs several windows has elements smaller than words.
    pub fn windows(&mut self, arrays: &[SlotId]) -> Result<Vec<Window>> {
        let words = arrays.first().map_or(0, |&id| self.slot(id).words);
        if let Some(&other) = arrays.iter().find(|&&id| self.slot(id).words != words) {
            let [first, other] = [arrays[0], other].map(|id| self.slot(id));
            let cause = format!("{} has {} words, {} has {}", first.name, words, other.name, other.words);
            return Err(mistake(format!("{cause}: windows need equal sizes")));
        }
        let aligned = self.most_bound / ALIGNMENT_WORDS * ALIGNMENT_WORDS;
        let most = if self.can_bind(words) { words } else { aligned.max(ALIGNMENT_WORDS) };
        let count = words.div_ceil(most.max(1)).max(1);
        let window = |number: usize| {
            let range = number * most..words.min((number + 1) * most);
            let slots = arrays.iter().map(|&id| self.window(id, range.clone())).collect::<Result<_>>()?;
            Ok(Window { range, slots, place: [number + 1, count] })
        };
        (0..count).map(window).collect()
    }

    /// The slot of this range of a float array; the array's own if it covers everything.
    ///
    /// # Errors
    /// As for [`Self::slice`], and if an element is not a word.
    pub fn window(&mut self, of: SlotId, range: Range<usize>) -> Result<SlotId> {
        let slot = self.slot(of);
        if range == (0..slot.words) {
            return Ok(of);
        }
        if slot.ty.dtype == DType::U8 {
            return Err(mistake(format!("{} holds bytes, which cannot be bound in windows", slot.name)));
        }
        let name = format!("{}[{}..{}]", slot.name, range.start, range.end);
        let place = (slot.buffer, slot.offset + range.start);
        let same = |other: &Slot| other.name == name && (other.buffer, other.offset) == place;
        match self.slots().iter().position(same) {
            Some(known) => Ok(SlotId(known)),
            None => self.slice(of, &name, range.start, [range.len()]),
        }
    }

    /// Whether this many words fit one binding.
    pub fn can_bind(&self, words: usize) -> bool {
        words <= self.most_bound
    }
}
