//! Context for lowering an op: the plan, a label, and transients from a pool.

use crate::error::Result;
use crate::kernel::{AnyKernel, Kernel};
use crate::plan::{Plan, Role, SlotId};
use crate::shape::{DType, Layout, TensorType};

/// Free buffers of transients, by element type, layout and size.
///
/// Sections of a plan may share a pool, since transients live within one run of a section.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Owned>,
}

/// A buffer temporarily owned by a value: its element type and layout, its size in words, and a slot of all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    kind: (DType, Layout),
    words: usize,
    whole: SlotId,
}

impl Pool {
    /// A transient of this type: in the smallest free buffer that fits, else in a new one.
    pub(super) fn take(&mut self, plan: &mut Plan, name: &str, ty: &TensorType) -> Result<(Owned, SlotId)> {
        let (kind, words) = ((ty.dtype, ty.layout), ty.words()?);
        // Larger buffers are reserved for larger values.
        let sizes = words..=words.saturating_mul(2);
        let fits = |free: &Owned| free.kind == kind && sizes.contains(&free.words);
        let fits = self.free.iter().enumerate().filter(|(_, free)| fits(free));
        if let Some(place) = fits.min_by_key(|(_, free)| free.words).map(|(place, _)| place) {
            let owned = self.free.swap_remove(place);
            plan.reused_words = plan.reused_words.saturating_add(words);
            return Ok((owned, plan.memory.view(owned.whole, name, ty.shape.clone())?));
        }
        let whole = plan.memory.tensor(name, Role::Transient, ty.clone())?;
        Ok((Owned { kind, words, whole }, whole))
    }

    /// Returns buffers that are no longer needed.
    pub(super) fn release(&mut self, buffers: impl IntoIterator<Item = Owned>) {
        self.free.extend(buffers);
    }
}

/// Context in which an op records its kernels.
pub struct Lowering<'a> {
    /// The plan; kernels are added to its last section.
    pub plan: &'a mut Plan,
    /// The label of the op's dispatches: its layer.
    pub label: &'a str,
    pool: &'a mut Pool,
    name: &'a str,
    scratch: Vec<Owned>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(plan: &'a mut Plan, pool: &'a mut Pool, label: &'a str, name: &'a str) -> Self {
        Self { plan, label, pool, name, scratch: Vec::new() }
    }

    /// A temporary slot for data passed between this op's kernels. It may be reused after the op.
    ///
    /// # Errors
    /// If it has too many elements.
    pub fn scratch(&mut self, ty: &TensorType) -> Result<SlotId> {
        let name = format!("{}.scratch{}", self.name, self.scratch.len());
        let (buffer, slot) = self.pool.take(self.plan, &name, ty)?;
        self.scratch.push(buffer);
        Ok(slot)
    }

    /// [`Plan::dispatch`] with this op's label.
    ///
    /// # Errors
    /// As for [`Plan::dispatch`].
    pub fn dispatch<K: Kernel>(
        &mut self,
        kernel: &'static K,
        params: K::Params,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        self.plan.dispatch(self.label, kernel, params, bindings)
    }

    /// [`Plan::dispatch_any`] with this op's label.
    ///
    /// # Errors
    /// As for [`Plan::dispatch_any`].
    pub fn dispatch_any(
        &mut self,
        kernel: &'static dyn AnyKernel,
        params: Vec<u8>,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        self.plan.dispatch_any(self.label.to_owned(), kernel, params, bindings)
    }

    /// Returns the temporary slots.
    pub(super) fn end(self) {
        self.pool.release(self.scratch);
    }
}
