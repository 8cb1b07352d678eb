//! The step as data: a flat list of dispatches over named, typed slots. Executors see nothing else.

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
    /// Its purpose, such as `fc1 forward`.
    pub label: String,
    /// The kernel.
    pub kernel: &'static dyn AnyKernel,
    /// Its parameters, with the layout of the shader's `Params`.
    pub params: Vec<u8>,
    /// A slot for each storage binding, in the order of [`Reflection::bindings`].
    pub slots: Vec<SlotId>,
    /// Reflection of the kernel's shader.
    pub reflection: Arc<Reflection>,
}

impl Dispatch {
    /// Each binding with its slot.
    pub fn bindings(&self) -> impl Iterator<Item = (&Binding, SlotId)> {
        self.reflection.bindings.iter().zip(self.slots.iter().copied())
    }

    /// The slot bound to this name, if any.
    pub fn slot(&self, name: &str) -> Option<SlotId> {
        self.bindings().find(|(binding, _)| binding.name == name).map(|(_, slot)| slot)
    }
}

/// A named list of dispatches that run in order: a training step, or an evaluation step.
#[derive(Clone)]
pub struct Section {
    /// Its name.
    pub name: Cow<'static, str>,
    /// A section that always runs before this one, whose transients it may read.
    pub after: Option<Cow<'static, str>>,
    /// Its dispatches, in order.
    pub dispatches: Vec<Dispatch>,
    /// The graph that most of it was lowered from, formatted for display; empty if there was none.
    pub graph: String,
}

/// The memory of a model, and everything that is done with it.
#[derive(Clone, Default)]
pub struct Plan {
    /// Buffers, and the slots in them.
    pub memory: Memory,
    /// Sections in the order they were started.
    pub sections: Vec<Section>,
    /// Words of transients placed in reused buffers.
    pub reused_words: usize,
    reflections: BTreeMap<&'static str, Arc<Reflection>>,
}

impl Plan {
    /// An empty plan with this memory.
    pub fn new(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// An empty plan for an adapter with this [binding limit](Caps::max_binding_bytes): larger arenas are bound in
    /// [windows](Memory::windows).
    pub fn within(max_binding_bytes: u64) -> Self {
        Self::new(Memory::within(max_binding_bytes))
    }

    /// Starts a section; dispatches are added to the last one.
    pub fn begin(&mut self, name: impl Into<Cow<'static, str>>) {
        self.sections.push(Section { name: name.into(), after: None, dispatches: Vec::new(), graph: String::new() });
    }

    /// [`Self::begin`] for a section that only runs after another: it may read that one's transients.
    pub fn begin_after(&mut self, name: impl Into<Cow<'static, str>>, other: impl Into<Cow<'static, str>>) {
        self.begin(name);
        if let Some(section) = self.sections.last_mut() {
            section.after = Some(other.into());
        }
    }

    /// Number of dispatches in the last section.
    pub fn recorded(&self) -> usize {
        self.sections.last().map_or(0, |section| section.dispatches.len())
    }

    /// Appends a copy of the dispatches with these indices in the last section.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn repeat(&mut self, range: Range<usize>) -> Result<()> {
        let section = self.sections.last_mut();
        let had = section.as_ref().map_or(0, |section| section.dispatches.len());
        match section.filter(|_| range.start <= range.end && range.end <= had) {
            Some(section) => section.dispatches.extend_from_within(range),
            None => return Err(mistake(format!("cannot repeat dispatches {range:?}: there are {had}"))),
        }
        Ok(())
    }

    /// Replaces an earlier dispatch of the last section by the last dispatch.
    pub fn replace_with_last(&mut self, number: usize) {
        if let Some(section) = self.sections.last_mut().filter(|section| number < section.dispatches.len()) {
            section.dispatches.swap_remove(number);
        }
    }

    /// Removes dispatches from the last section, by index.
    pub fn remove(&mut self, numbers: &[usize]) {
        if let Some(section) = self.sections.last_mut() {
            let mut number = 0..;
            section.dispatches.retain(|_| !number.next().is_some_and(|number| numbers.contains(&number)));
        }
    }

    /// The section with this name.
    pub fn section(&self, name: &str) -> Result<&Section> {
        self.sections.iter().find(|section| section.name == name).ok_or_else(|| {
            let names: Vec<_> = self.sections.iter().map(|section| &section.name).collect();
            mistake(format!("the plan has no section `{name}`, only {names:?}"))
        })
    }

    /// Appends a dispatch of `kernel`, binding each of its shader's storage bindings to a slot by name.
    ///
    /// # Errors
    /// If a binding is missing, unknown, bound twice, or differs from its slot in shape or element type (names the
    /// dispatch, the binding and both types), or if a slot has no elements.
    pub fn dispatch<K: Kernel>(
        &mut self,
        label: impl Into<String>,
        kernel: &'static K,
        params: K::Params,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        self.dispatch_any(label.into(), kernel, bytemuck::bytes_of(&params).to_vec(), bindings)
    }

    /// [`Self::dispatch`] for a kernel from the registry, with parameters as bytes.
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
        let section = self.sections.last_mut().ok_or_else(|| mistake(format!("{label}: no section was started")))?;
        section.dispatches.push(Dispatch { label, kernel, params, slots, reflection });
        Ok(())
    }

    /// Minimum bytes moved by a dispatch, from its bindings' sizes and the op's own estimate.
    pub fn bytes(&self, dispatch: &Dispatch) -> u64 {
        let bound = dispatch.bindings().map(|(binding, id)| {
            let times = if binding.access == Access::ReadWrite { 2 } else { 1 };
            (self.memory.slot(id).words as u64).saturating_mul(4 * times)
        });
        dispatch.kernel.bytes(&dispatch.params, bound.fold(0, u64::saturating_add))
    }
}

/// A bug in how a plan was built.
fn mistake(cause: String) -> Error {
    Error::new(Kind::Usage, cause, "invalid plan: bind slots with the shapes and types the kernel declares")
}
