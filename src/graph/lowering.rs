//! What lowering an op takes: the plan, a label, and transients out of a pool.

use crate::error::Result;
use crate::kernel::{AnyKernel, Kernel};
use crate::plan::{Plan, Role, SlotId};
use crate::shape::{DType, Layout, TensorType};

/// Buffers of transients that are free to be used again, by element type, layout and size.
///
/// Sections of one plan may share a pool, for transients live within one run of a section.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Owned>,
}

/// A buffer that belongs to a value for a while: what its elements are, its size in words, and the slot that is all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    kind: (DType, Layout),
    words: usize,
    whole: SlotId,
}

impl Pool {
    /// A transient of this type: in the smallest free buffer that holds it, else in a new one.
    pub(super) fn take(&mut self, plan: &mut Plan, name: &str, ty: &TensorType) -> Result<(Owned, SlotId)> {
        let (kind, words) = ((ty.dtype, ty.layout), ty.words()?);
        // A buffer more than twice as big is left for something bigger.
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

    /// Buffers that nobody needs any more.
    pub(super) fn release(&mut self, buffers: impl IntoIterator<Item = Owned>) {
        self.free.extend(buffers);
    }
}

/// The place where an op records its kernels.
pub struct Lowering<'a> {
    /// The plan, whose last section the kernels go to.
    pub plan: &'a mut Plan,
    /// The label of the op's dispatches: the layer it belongs to.
    pub label: &'a str,
    pool: &'a mut Pool,
    name: &'a str,
    scratch: Vec<Owned>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(plan: &'a mut Plan, pool: &'a mut Pool, label: &'a str, name: &'a str) -> Self {
        Self { plan, label, pool, name, scratch: Vec::new() }
    }

    /// A slot for what this op's kernels hand to one another. Others may use it again after the op.
    ///
    /// # Errors
    /// If its elements cannot be counted.
    pub fn scratch(&mut self, ty: &TensorType) -> Result<SlotId> {
        let name = format!("{}.scratch{}", self.name, self.scratch.len());
        let (buffer, slot) = self.pool.take(self.plan, &name, ty)?;
        self.scratch.push(buffer);
        Ok(slot)
    }

    /// [`Plan::dispatch`] under this op's label.
    ///
    /// # Errors
    /// As there.
    pub fn dispatch<K: Kernel>(
        &mut self,
        kernel: &'static K,
        params: K::Params,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        self.plan.dispatch(self.label, kernel, params, bindings)
    }

    /// [`Plan::dispatch_any`] under this op's label.
    ///
    /// # Errors
    /// As there.
    pub fn dispatch_any(
        &mut self,
        kernel: &'static dyn AnyKernel,
        params: Vec<u8>,
        bindings: &[(&str, SlotId)],
    ) -> Result<()> {
        self.plan.dispatch_any(self.label.to_owned(), kernel, params, bindings)
    }

    /// Gives the scratch slots back.
    pub(super) fn end(self) {
        self.pool.release(self.scratch);
    }
}
