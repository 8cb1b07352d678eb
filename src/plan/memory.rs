//! Buffers and the slots in them.

use crate::error::{Error, Kind, Result};
use crate::shape::{DType, Shape, TensorType};
use std::collections::BTreeMap;
use std::ops::Range;

/// Slots within an arena start at multiples of this: 256 bytes, what every adapter accepts as a binding's offset.
pub const ALIGNMENT_WORDS: usize = 64;

/// What a buffer's contents mean over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Written by the host at the start, then only read.
    Data,
    /// Set at the start (zero unless the host writes it) and carried from step to step.
    State,
    /// Valid within one run of a section, from its first write on, and in sections that follow that one.
    Transient,
}

/// A range of device memory.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Its name.
    pub name: String,
    /// The type of all its slots.
    pub dtype: DType,
    /// Its size in 32-bit words.
    pub words: usize,
    /// What its contents mean over time.
    pub role: Role,
    /// The words between an arena's tensors, which nobody writes: they stay zero.
    pub gaps: Vec<Range<usize>>,
}

/// A named, shaped place in a buffer.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its name, such as `weights/fc1.weight`.
    pub name: String,
    /// The buffer it lies in, as an index into [`Memory::buffers`].
    pub buffer: usize,
    /// Where it starts in the buffer, in words.
    pub offset: usize,
    /// Its size in words.
    pub words: usize,
    /// Its shape, element type and layout.
    pub ty: TensorType,
}

impl Slot {
    /// Whether they have words in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        let [first, last] = if self.offset <= other.offset { [self, other] } else { [other, self] };
        self.buffer == other.buffer && last.offset < first.offset + first.words
    }

    /// The error for data that cannot go into this slot.
    pub fn refuse(&self, kind: &str, length: usize) -> Error {
        Error::new(
            Kind::Usage,
            format!("{length} {kind} cannot go into {}, which holds {} {}", self.name, self.words, self.ty.dtype),
            "pass exactly as many elements as the slot holds",
        )
    }
}

/// Which slot of a [`Memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(usize);

/// A flat buffer that holds several tensors of one kind: all weights, or all gradients.
///
/// Adam, checkpoints and counts take [`Arena::all`] as one range. Gaps between tensors stay zero.
#[derive(Clone, Debug)]
pub struct Arena {
    /// The whole buffer as `[total]`.
    pub all: SlotId,
    /// Its tensors in order.
    pub tensors: Vec<SlotId>,
}

/// All buffers and slots of a plan.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    buffers: Vec<Buffer>,
    slots: Vec<Slot>,
}

impl Memory {
    /// A buffer of its own for one row-major array.
    ///
    /// # Errors
    /// Where the elements of the shape cannot be counted.
    pub fn array(&mut self, name: &str, role: Role, dtype: DType, shape: impl Into<Shape>) -> Result<SlotId> {
        self.tensor(name, role, TensorType::new(dtype, shape))
    }

    /// A buffer of its own for one tensor.
    ///
    /// # Errors
    /// Where the elements of its shape cannot be counted.
    pub fn tensor(&mut self, name: &str, role: Role, ty: TensorType) -> Result<SlotId> {
        let words = ty.words()?;
        self.buffers.push(Buffer { name: name.to_owned(), dtype: ty.dtype, words, role, gaps: Vec::new() });
        Ok(self.push(name.to_owned(), 0, words, ty))
    }

    /// A buffer for several f32 tensors, whose slots are named `ARENA/TENSOR`.
    ///
    /// # Errors
    /// Where the elements of a shape cannot be counted.
    pub fn arena(&mut self, name: &str, role: Role, tensors: &[(String, Shape)]) -> Result<Arena> {
        let sizes = tensors.iter().map(|(_, shape)| shape.words(DType::F32)).collect::<Result<Vec<_>>>()?;
        let buffer = self.buffers.len();
        self.buffers.push(Buffer { name: name.to_owned(), dtype: DType::F32, words: 0, role, gaps: Vec::new() });
        let (mut end, mut ids, mut gaps) = (0usize, Vec::new(), Vec::new());
        for ((tensor, shape), words) in tensors.iter().zip(sizes) {
            ids.push(self.push(format!("{name}/{tensor}"), end, words, TensorType::f32(shape.clone())));
            let filled = end.saturating_add(words);
            end = filled.saturating_add(ALIGNMENT_WORDS - 1) / ALIGNMENT_WORDS * ALIGNMENT_WORDS;
            gaps.push(filled..end);
        }
        self.buffers[buffer].words = end;
        self.buffers[buffer].gaps = gaps;
        let all = self.push(name.to_owned(), 0, end, TensorType::f32([end]));
        Ok(Arena { all, tensors: ids })
    }

    /// Another slot over the beginning of an existing one's range: the same words under another name and shape.
    ///
    /// # Errors
    /// Where the shape needs more words than the slot has.
    pub fn view(&mut self, of: SlotId, name: &str, shape: impl Into<Shape>) -> Result<SlotId> {
        let slot = self.slot(of).clone();
        let ty = slot.ty.with_shape(shape);
        let words = ty.words()?;
        if words > slot.words {
            return Err(slot.refuse(&format!("words of {name} {}", ty.shape), words));
        }
        self.slots.push(Slot { name: name.to_owned(), words, ty, ..slot });
        Ok(SlotId(self.slots.len() - 1))
    }

    fn push(&mut self, name: String, offset: usize, words: usize, ty: TensorType) -> SlotId {
        let buffer = self.buffers.len() - 1;
        self.slots.push(Slot { name, buffer, offset, words, ty });
        SlotId(self.slots.len() - 1)
    }

    /// The slot of this id, which must come from this memory.
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.0]
    }

    /// The slot of this name.
    pub fn find(&self, name: &str) -> Option<SlotId> {
        self.slots.iter().position(|slot| slot.name == name).map(SlotId)
    }

    /// Of what holds the buffers of `before`, in their order, that which this memory's buffers go on with, by their
    /// index here: data of the same name, type and size. The rest is dropped.
    pub fn carry_over<B>(&self, before: &Self, held: Vec<B>) -> BTreeMap<usize, B> {
        let index = |old: &Buffer| {
            let same = |new: &Buffer| (&new.name, new.dtype, new.words) == (&old.name, old.dtype, old.words);
            let data = |new: &Buffer| [old.role, new.role] == [Role::Data; 2];
            self.buffers.iter().position(|new| data(new) && same(new))
        };
        before.buffers.iter().zip(held).filter_map(|(old, held)| Some((index(old)?, held))).collect()
    }

    /// All slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// All buffers.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }
}
