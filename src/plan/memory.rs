//! Buffers and their slots.

use crate::error::{Error, Kind, Result};
use crate::kernel::Caps;
use crate::shape::{DType, Shape, TensorType};
use std::ops::Range;

/// Alignment of slots within an arena: 256 bytes, accepted as a binding offset by every adapter.
pub const ALIGNMENT_WORDS: usize = 64;

/// Role of a buffer's contents: who writes them, and whether they outlive a run, a plan or the process.
///
/// | role | written by | checkpoints | [`with_plan`](super::Executor::with_plan) |
/// | --- | --- | --- | --- |
/// | `Data` | the host, once | no: they come from the data set | always keeps them |
/// | `Input` | the host, before each run | no | drops them |
/// | `Parameter`, `Optimizer`, `Carried` | kernels; the host at the start | yes | keeps them unless a new run begins |
/// | `Scratch` | kernels | no | drops them |
/// | `Transient` | kernels | no | drops them |
///
/// Validation rejects kernels that write `Data` or `Input`, and kernels that read words of a `Transient` not written in
/// this run. All other buffers are zero until written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Written by the host once, then read-only: a data set.
    Data,
    /// Written by the host for each run: the rows of an inference.
    Input,
    /// Learned: weights.
    Parameter,
    /// Optimizer state, such as moments.
    Optimizer,
    /// Other state needed to continue a run: counters, persistent rates, running state, recurrent state.
    Carried,
    /// Kept between runs, but not needed in a checkpoint: rings of metrics, copies of the best weights, scan records.
    Scratch,
    /// Valid within one run of a section from its first write, and in sections that follow that one.
    Transient,
}

impl Role {
    /// Whether only the host may write it.
    pub fn is_from_host(self) -> bool {
        matches!(self, Self::Data | Self::Input)
    }

    /// Whether checkpoints include it.
    pub fn is_saved(self) -> bool {
        matches!(self, Self::Parameter | Self::Optimizer | Self::Carried)
    }
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
    /// Lifetime of its contents.
    pub role: Role,
    /// The slots it consists of: its only array, or an arena's tensors.
    pub tensors: Vec<SlotId>,
    /// The words between an arena's tensors: never written, hence zero.
    pub gaps: Vec<Range<usize>>,
}

/// A named, typed range of a buffer.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its name, such as `weights/fc1.weight`.
    pub name: String,
    /// Its buffer, as an index into [`Memory::buffers`].
    pub buffer: usize,
    /// Start within the buffer, in words.
    pub offset: usize,
    /// Its size in words.
    pub words: usize,
    /// Its shape, element type and layout.
    pub ty: TensorType,
}

impl Slot {
    /// Whether the slots overlap.
    pub fn overlaps(&self, other: &Self) -> bool {
        let [first, last] = if self.offset <= other.offset { [self, other] } else { [other, self] };
        self.buffer == other.buffer && last.offset < first.offset + first.words
    }

    /// The error for data that do not fit this slot.
    pub fn refuse(&self, kind: &str, length: usize) -> Error {
        Error::new(
            Kind::Usage,
            format!("cannot write {length} {kind} to {}, which holds {} {}", self.name, self.words, self.ty.dtype),
            "pass exactly as many elements as the slot has",
        )
    }
}

/// Identifies a slot of a [`Memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub(super) usize);

/// A buffer with several tensors of one kind: all weights, or all gradients.
///
/// Adam, checkpoints and metrics access [`Arena::all`] as one range. Gaps between tensors stay zero.
#[derive(Clone, Debug)]
pub struct Arena {
    /// The whole buffer as `[total]`.
    pub all: SlotId,
    /// Its tensors in order.
    pub tensors: Vec<SlotId>,
}

/// All buffers and slots of a plan.
#[derive(Clone, Debug)]
pub struct Memory {
    buffers: Vec<Buffer>,
    slots: Vec<Slot>,
    /// Maximum words per binding.
    pub(super) most_bound: usize,
}

/// Memory for an adapter with the largest bindings that shaders can index.
impl Default for Memory {
    fn default() -> Self {
        Self::within(u64::MAX)
    }
}

impl Memory {
    /// Memory for an adapter with this binding limit. Buffers may be larger, but not what is bound of them.
    pub fn within(max_binding_bytes: u64) -> Self {
        let caps = Caps { max_binding_bytes, ..Caps::portable() };
        Self { buffers: Vec::new(), slots: Vec::new(), most_bound: caps.most_bound_words() as usize }
    }

    /// Allocates a buffer for one row-major array.
    ///
    /// # Errors
    /// If the shape has too many elements.
    pub fn array(&mut self, name: &str, role: Role, dtype: DType, shape: impl Into<Shape>) -> Result<SlotId> {
        self.tensor(name, role, TensorType::new(dtype, shape))
    }

    /// Allocates a buffer for one tensor.
    ///
    /// # Errors
    /// If its shape has too many elements.
    pub fn tensor(&mut self, name: &str, role: Role, ty: TensorType) -> Result<SlotId> {
        let words = ty.words()?;
        let (dtype, tensors) = (ty.dtype, vec![SlotId(self.slots.len())]);
        self.buffers.push(Buffer { name: name.to_owned(), dtype, words, role, tensors, gaps: Vec::new() });
        Ok(self.push(name.to_owned(), 0, words, ty))
    }

    /// Allocates a buffer for several f32 tensors, with slots named `ARENA/TENSOR`.
    ///
    /// # Errors
    /// If a shape has too many elements.
    pub fn arena(&mut self, name: &str, role: Role, tensors: &[(String, Shape)]) -> Result<Arena> {
        let sizes = tensors.iter().map(|(_, shape)| shape.words(DType::F32)).collect::<Result<Vec<_>>>()?;
        let buffer = self.buffers.len();
        let (dtype, none) = (DType::F32, Vec::new());
        self.buffers.push(Buffer { name: name.to_owned(), dtype, words: 0, role, tensors: none, gaps: Vec::new() });
        let (mut end, mut ids, mut gaps) = (0usize, Vec::new(), Vec::new());
        for ((tensor, shape), words) in tensors.iter().zip(sizes) {
            ids.push(self.push(format!("{name}/{tensor}"), end, words, TensorType::f32(shape.clone())));
            let filled = end.saturating_add(words);
            end = filled.saturating_add(ALIGNMENT_WORDS - 1) / ALIGNMENT_WORDS * ALIGNMENT_WORDS;
            gaps.push(filled..end);
        }
        self.buffers[buffer].words = end;
        self.buffers[buffer].gaps = gaps;
        self.buffers[buffer].tensors = ids.clone();
        let all = self.push(name.to_owned(), 0, end, TensorType::f32([end]));
        Ok(Arena { all, tensors: ids })
    }

    /// An arena with the layout of another, such as a moment for each weight. Its slots are named like those of `of`,
    /// after `name`.
    pub fn arena_like(&mut self, of: &Arena, name: &str, role: Role) -> Arena {
        let whole = self.slot(of.all).clone();
        let (buffer, Buffer { dtype, words, gaps, .. }) = (self.buffers.len(), self.buffers[whole.buffer].clone());
        self.buffers.push(Buffer { name: name.to_owned(), dtype, words, role, tensors: Vec::new(), gaps });
        let copy = |memory: &mut Self, id: SlotId| {
            let slot = memory.slot(id).clone();
            let rest = slot.name.strip_prefix(&whole.name).unwrap_or(&slot.name);
            memory.push(format!("{name}{rest}"), slot.offset, slot.words, slot.ty)
        };
        let tensors: Vec<SlotId> = of.tensors.iter().map(|&id| copy(self, id)).collect();
        self.buffers[buffer].tensors = tensors.clone();
        Arena { all: copy(self, of.all), tensors }
    }

    /// Adds a slot over the start of an existing one: the same words with another name and shape.
    /// See [`Self::slice`] for other offsets.
    ///
    /// # Errors
    /// If the shape needs more words than the slot has.
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

    /// Adds a slot within an existing one, starting at its word `first`, with a name and shape of its own.
    ///
    /// # Errors
    /// If it ends past the slot, or does not start at a multiple of 256 bytes of the buffer, which some adapters require.
    pub fn slice(&mut self, of: SlotId, name: &str, first: usize, shape: impl Into<Shape>) -> Result<SlotId> {
        let slot = self.slot(of).clone();
        let ty = slot.ty.with_shape(shape);
        let (words, shape) = (ty.words()?, &ty.shape);
        let end = first.checked_add(words).filter(|end| *end <= slot.words);
        let (Some(_), offset) = (end, slot.offset.saturating_add(first)) else {
            return Err(Error::new(
                Kind::Usage,
                format!("{name} {shape} at word {first} of {} ends past its {} words", slot.name, slot.words),
                "use a range within the slot",
            ));
        };
        if !offset.is_multiple_of(ALIGNMENT_WORDS) {
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "{name} {shape} at word {first} of {} starts at byte {} of its buffer, not a multiple of {}",
                    slot.name,
                    4 * offset as u64,
                    4 * ALIGNMENT_WORDS
                ),
                "pad the rows before it to a multiple of 64 elements",
            ));
        }
        self.slots.push(Slot { name: name.to_owned(), offset, words, ty, ..slot });
        Ok(SlotId(self.slots.len() - 1))
    }

    fn push(&mut self, name: String, offset: usize, words: usize, ty: TensorType) -> SlotId {
        let buffer = self.buffers.len() - 1;
        self.slots.push(Slot { name, buffer, offset, words, ty });
        SlotId(self.slots.len() - 1)
    }

    /// The slot with this id, which must be from this memory.
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.0]
    }

    /// The slot with this name.
    pub fn find(&self, name: &str) -> Option<SlotId> {
        self.slots.iter().position(|slot| slot.name == name).map(SlotId)
    }

    /// Appends a buffer of another memory with all slots in it.
    pub(super) fn adopt(&mut self, other: &Self, buffer: usize) {
        let old = &other.buffers[buffer];
        let (index, mut tensors) = (self.buffers.len(), Vec::new());
        for (id, slot) in other.slots.iter().enumerate().filter(|(_, slot)| slot.buffer == buffer) {
            if old.tensors.contains(&SlotId(id)) {
                tensors.push(SlotId(self.slots.len()));
            }
            self.slots.push(Slot { buffer: index, ..slot.clone() });
        }
        self.buffers.push(Buffer { tensors, ..old.clone() });
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
