//! Arrays larger than a binding may be are bound in windows, each in a dispatch of its own.

use super::{ALIGNMENT_WORDS, Memory, SlotId, mistake};
use crate::error::Result;
use crate::shape::DType;
use std::ops::Range;

/// The same words of several arrays, few enough to be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which words of each array they are.
    pub range: Range<usize>,
    /// The slot of these words in each array.
    pub slots: Vec<SlotId>,
    /// Its number, from 1 on, and how many there are.
    pub place: [usize; 2],
}

impl Window {
    /// How many words it has of each array.
    pub fn words(&self) -> usize {
        self.range.len()
    }

    /// How many of the first `count` words of an array lie in it.
    pub fn of_first(&self, count: usize) -> usize {
        count.clamp(self.range.start, self.range.end) - self.range.start
    }

    /// The label of its dispatch; that of all where it is the only one.
    pub fn label(&self, label: &str) -> String {
        match self.place {
            [_, 1] => label.to_owned(),
            [number, count] => format!("{label}, window {number} of {count}"),
        }
    }
}

impl Memory {
    /// Cuts arrays of one size into windows: one that is all of them where they can be bound whole, else several of up to as
    /// many words as can be bound. Windows cut through the tensors of an arena, so they are for what treats all elements
    /// alike.
    ///
    /// # Errors
    /// Where the sizes differ, or several windows are needed of an array whose elements are not words.
    pub fn windows(&mut self, arrays: &[SlotId]) -> Result<Vec<Window>> {
        let words = arrays.first().map_or(0, |&id| self.slot(id).words);
        if let Some(&other) = arrays.iter().find(|&&id| self.slot(id).words != words) {
            let [first, other] = [arrays[0], other].map(|id| self.slot(id));
            let cause = format!("{} has {} words, {} has {}", first.name, words, other.name, other.words);
            return Err(mistake(format!("{cause}: they have no windows in common")));
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

    /// The slot of these words of an array of numbers: its own where these are all.
    ///
    /// # Errors
    /// As of [`Self::slice`], and where an element is not a word.
    pub fn window(&mut self, of: SlotId, range: Range<usize>) -> Result<SlotId> {
        let slot = self.slot(of);
        if range == (0..slot.words) {
            return Ok(of);
        }
        if slot.ty.dtype == DType::U8 {
            return Err(mistake(format!("{} holds bytes, which have no windows", slot.name)));
        }
        let name = format!("{}[{}..{}]", slot.name, range.start, range.end);
        match self.find(&name) {
            Some(known) => Ok(known),
            None => self.slice(of, &name, range.start, [range.len()]),
        }
    }

    /// Whether one binding can have so many words.
    pub fn can_bind(&self, words: usize) -> bool {
        words <= self.most_bound
    }
}
