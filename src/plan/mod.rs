//! The step as data: a flat list of dispatches over named, shaped slots. Executors see nothing else.

mod exchange;
mod executor;
mod explain;
mod memory;
mod room;
mod validate;
mod windows;

pub use exchange::{Exchange, Keep, Transfer};
pub use executor::{Executor, Pending, Traffic};
pub use memory::{ALIGNMENT_WORDS, Arena, Buffer, Memory, Role, Slot, SlotId};
pub use windows::Window;

use crate::error::{Error, Kind, Result};
use crate::kernel::{AnyKernel, Caps, Kernel, word};
use crate::shader::{Access, Binding, Reflection};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// One run of one kernel.
#[derive(Clone)]
pub struct Dispatch {
    /// What it is for, such as `fc1 forward`.
    pub label: String,
    /// The kernel.
    pub kernel: &'static dyn AnyKernel,
    /// Its parameters, laid out as the shader's `Params`.
    pub params: Vec<u8>,
    /// A slot for each storage binding, in the order of [`Reflection::bindings`].
    pub slots: Vec<SlotId>,
    /// What the kernel's shader says of its bindings.
    pub reflection: Arc<Reflection>,
}

impl Dispatch {
    /// Each binding with its slot.
    pub fn bindings(&self) -> impl Iterator<Item = (&Binding, SlotId)> {
        self.reflection.bindings.iter().zip(self.slots.iter().copied())
    }

    /// The slot of the binding of this name, where there is one.
    pub fn slot(&self, name: &str) -> Option<SlotId> {
        self.bindings().find(|(binding, _)| binding.name == name).map(|(_, slot)| slot)
    }
}

/// A named list of dispatches that run in order: one training step, or one step of evaluation.
#[derive(Clone)]
pub struct Section {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The section that it always runs some time after, and whose transients it may read.
    pub after: Option<Cow<'static, str>>,
    /// What it does, in order.
    pub dispatches: Vec<Dispatch>,
    /// The graph that most of it was lowered from, as lines for people; empty where there was none.
    pub graph: String,
}

/// The memory of a model in training and everything that is done with it.
#[derive(Clone, Default)]
pub struct Plan {
    /// Buffers, and the slots in them.
    pub memory: Memory,
    /// Sections in the order in which they were begun.
    pub sections: Vec<Section>,
    /// Words of transients that lie in a buffer which another had used before.
    pub reused_words: usize,
    reflections: BTreeMap<&'static str, Arc<Reflection>>,
}

impl Plan {
    /// An empty plan over this memory.
    pub fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// An empty plan for an adapter whose [bindings](Caps::max_binding_bytes) are of at most so many bytes: arenas that are
    /// larger are bound in [windows](Memory::windows).
    pub fn within(max_binding_bytes: u64) -> Self {
        Self::new(Memory::within(max_binding_bytes))
    }

    /// Begins a section; dispatches go to the section begun last.
    pub fn begin(&mut self, name: impl Into<Cow<'static, str>>) {
        self.sections.push(Section { name: name.into(), after: None, dispatches: Vec::new(), graph: String::new() });
    }

    /// [`Self::begin`] for a section that only runs after another one has: it may read what that has left in transients.
    pub fn begin_after(&mut self, name: impl Into<Cow<'static, str>>, other: impl Into<Cow<'static, str>>) {
        self.begin(name);
        if let Some(section) = self.sections.last_mut() {
            section.after = Some(other.into());
        }
    }

    /// How many dispatches the section begun last has.
    pub fn recorded(&self) -> usize {
        self.sections.last().map_or(0, |section| section.dispatches.len())
    }

    /// Appends once more those dispatches of the section begun last whose numbers, from 0 on, lie in `range`.
    ///
    /// # Errors
    /// Where it has fewer.
    pub fn repeat(&mut self, range: Range<usize>) -> Result<()> {
        let section = self.sections.last_mut();
        let had = section.as_ref().map_or(0, |section| section.dispatches.len());
        match section.filter(|_| range.start <= range.end && range.end <= had) {
            Some(section) => section.dispatches.extend_from_within(range),
            None => return Err(mistake(format!("dispatches {range:?} cannot be repeated: there are {had}"))),
        }
        Ok(())
    }

    /// Puts the dispatch appended last in the place of an earlier one of its section, which goes.
    pub fn replace_with_last(&mut self, number: usize) {
        if let Some(section) = self.sections.last_mut().filter(|section| number < section.dispatches.len()) {
            section.dispatches.swap_remove(number);
        }
    }

    /// Takes dispatches out of the section begun last, by their numbers from 0 on.
    pub fn remove(&mut self, numbers: &[usize]) {
        if let Some(section) = self.sections.last_mut() {
            let mut number = 0..;
            section.dispatches.retain(|_| !number.next().is_some_and(|number| numbers.contains(&number)));
        }
    }

    /// The section of this name.
    pub fn section(&self, name: &str) -> Result<&Section> {
        self.sections.iter().find(|section| section.name == name).ok_or_else(|| {
            let names: Vec<_> = self.sections.iter().map(|section| &section.name).collect();
            mistake(format!("the plan has no section `{name}`, only {names:?}"))
        })
    }

    /// Appends a run of `kernel`, binding each storage binding of its shader to a slot by name.
    ///
    /// # Errors
    /// Names the dispatch, the binding, and both sides where a binding is missing, unknown, bound twice, or where its
    /// shape or element type differs from the slot's; the slot, where it has no elements.
    pub fn dispatch<K: Kernel>(
        &mut self,
        label: impl Into<String>,
        kernel: &'static K,
        params: K::Params,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        self.dispatch_any(label.into(), kernel, bytemuck::bytes_of(&params).to_vec(), bindings)
    }

    /// [`Self::dispatch`] for a kernel out of the registry, with its parameters as bytes.
    pub fn dispatch_any(
        &mut self,
        label: String,
        kernel: &'static dyn AnyKernel,
        params: Vec<u8>,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        let name = kernel.name();
        let reflection = match self.reflections.get(name) {
            Some(known) => known.clone(),
            None => {
                let source = kernel.choose(&params, &Caps::portable()).source();
                let reflection = Arc::new(Reflection::of(name, &source)?);
                self.reflections.insert(name, reflection.clone());
                reflection
            }
        };
        if let Some((unknown, _)) = bindings.iter().find(|(name, _)| reflection.binding(name).is_none()) {
            return Err(mistake(format!("{label}: {name} has no binding `{unknown}`")));
        }
        let (fields, _) = kernel.fields();
        let mut slots = Vec::with_capacity(reflection.bindings.len());
        for binding in &reflection.bindings {
            let mut bound = bindings.iter().filter(|(name, _)| *name == binding.name);
            let (Some(&(_, id)), None) = (bound.next(), bound.next()) else {
                return Err(mistake(format!("{label}: {name} needs `{}` bound once", binding.name)));
            };
            let expected = binding.ty(|field| word(&fields, &params, field))?;
            let slot = self.memory.slot(id);
            if expected != slot.ty {
                return Err(mistake(format!(
                    "{label}: `{}` of {name} is {} {}, but the slot {} is {} {}",
                    binding.name, expected.shape, expected.dtype, slot.name, slot.ty.shape, slot.ty.dtype
                )));
            }
            if slot.words == 0 {
                return Err(mistake(format!("{label}: `{}` is {}, which has no elements", binding.name, slot.name)));
            }
            slots.push(id);
        }
        let section = self.sections.last_mut().ok_or_else(|| mistake(format!("{label}: no section was begun")))?;
        section.dispatches.push(Dispatch { label, kernel, params, slots, reflection });
        Ok(())
    }

    /// Bytes that a dispatch must move, by the sizes of its bindings and the op's own account.
    pub fn bytes(&self, dispatch: &Dispatch) -> u64 {
        let bound = dispatch.bindings().map(|(binding, id)| {
            let times = if binding.access == Access::ReadWrite { 2 } else { 1 };
            (self.memory.slot(id).words as u64).saturating_mul(4 * times)
        });
        dispatch.kernel.bytes(&dispatch.params, bound.fold(0, u64::saturating_add))
    }
}

/// A fault in how a plan was put together.
fn mistake(cause: String) -> Error {
    Error::new(Kind::Usage, cause, "the plan is wrong: bind slots whose shapes and types the kernel declares")
}
