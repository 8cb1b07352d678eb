//! Validates a whole plan before anything runs.

use super::{Buffer, Dispatch, Plan, Role, Section, mistake};
use crate::error::{Error, Kind, Result};
use crate::kernel::Caps;
use crate::shader::{Access, Reflection};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

impl Plan {
    /// Checks every section: slots are written before they are read, no dispatch aliases its bindings illegally, and
    /// everything fits the adapter's limits: buffers, bound slots, and the workgroups of each kernel's variant. Shapes
    /// and types were checked when dispatches were appended.
    ///
    /// # Errors
    /// Names the dispatch and the slots; for an adapter limit, what is needed and allowed.
    pub fn validate(&self, caps: &Caps) -> Result<()> {
        for buffer in self.memory.buffers() {
            let bytes = (buffer.words as u64).saturating_mul(4);
            if bytes > caps.max_buffer_bytes {
                return Err(too_big(&buffer.name, "bytes in one buffer", bytes, caps.max_buffer_bytes));
            }
        }
        let mut known = BTreeSet::new();
        for section in &self.sections {
            self.written_before_read(section)?;
            for dispatch in &section.dispatches {
                self.unaliased(dispatch)?;
                self.can_be_bound(dispatch, caps)?;
                let variant = dispatch.kernel.choose(&dispatch.params, caps);
                let groups = dispatch.kernel.groups(&dispatch.params, &variant);
                caps.fold(groups)
                    .ok_or_else(|| too_big(&dispatch.label, "workgroups", groups, caps.max_groups.into()))?;
                let source = variant.source();
                if !known.contains(&source) {
                    let reflection = Reflection::of(dispatch.kernel.name(), &source)?;
                    if let Some((what, needed, had)) = caps.lacks(&reflection) {
                        return Err(too_big(&format!("{}: {variant}", dispatch.label), what, needed, had));
                    }
                    known.insert(source);
                }
            }
        }
        Ok(())
    }

    /// Checks that each slot fits a binding.
    fn can_be_bound(&self, dispatch: &Dispatch, caps: &Caps) -> Result<()> {
        let most = caps.most_bound_words();
        let slots = dispatch.bindings().map(|(_, id)| self.memory.slot(id));
        match slots.into_iter().find(|slot| slot.words as u64 > most) {
            Some(slot) => Err(Error::new(
                Kind::Device,
                format!(
                    "{} needs {} bytes in one binding, the device allows {}",
                    slot.name,
                    (slot.words as u64).saturating_mul(4),
                    4 * most
                ),
                "a tensor must fit one binding: use a narrower layer, a smaller batch or fewer samples, or another \
                 adapter (see `shadegrad devices`)",
            )),
            None => Ok(()),
        }
    }

    /// Returns the parts of each buffer that hold a value when the section ends.
    fn written_before_read(&self, section: &Section) -> Result<Vec<Vec<Range<usize>>>> {
        let earlier =
            |name: &Cow<str>| self.sections.iter().take_while(|s| s.name != section.name).find(|s| s.name == *name);
        let mut written = match section.after.as_ref().map(|name| earlier(name).ok_or(name)) {
            None => self.memory.buffers().iter().map(initial).collect(),
            Some(Ok(other)) => self.written_before_read(other)?,
            Some(Err(name)) => {
                return Err(mistake(format!("{} must follow `{name}`, which does not come before it", section.name)));
            }
        };
        for dispatch in &section.dispatches {
            for (binding, id) in dispatch.bindings().filter(|(binding, _)| binding.access != Access::Write) {
                let slot = self.memory.slot(id);
                if let Some(hole) = first_hole(&written[slot.buffer], slot.offset..slot.offset + slot.words) {
                    return Err(mistake(format!(
                        "{}, {}: `{}` reads {} before its word {} is written",
                        section.name,
                        dispatch.label,
                        binding.name,
                        slot.name,
                        hole - slot.offset
                    )));
                }
            }
            for (binding, id) in dispatch.bindings().filter(|(binding, _)| binding.access != Access::Read) {
                let slot = self.memory.slot(id);
                let role = self.memory.buffers()[slot.buffer].role;
                if role.is_from_host() {
                    let kind = if role == Role::Data { "data" } else { "an input" };
                    return Err(mistake(format!(
                        "{}: `{}` writes {}, which is {kind}",
                        dispatch.label, binding.name, slot.name
                    )));
                }
                let range = slot.offset..slot.offset + slot.words;
                if first_hole(&written[slot.buffer], range.clone()).is_some() {
                    written[slot.buffer].push(range);
                }
            }
        }
        Ok(written)
    }

    /// A dispatch binds a buffer read-only or writable, never both; written ranges do not overlap others.
    fn unaliased(&self, dispatch: &Dispatch) -> Result<()> {
        let bindings: Vec<_> = dispatch.bindings().map(|(binding, id)| (binding, self.memory.slot(id))).collect();
        for (i, (first, a)) in bindings.iter().enumerate() {
            for (second, b) in &bindings[i + 1..] {
                let reads = [first, second].map(|binding| binding.access == Access::Read);
                if a.buffer == b.buffer && reads != [true, true] && (reads.contains(&true) || a.overlaps(b)) {
                    return Err(mistake(format!(
                        "{}: `{}` and `{}` alias: {} and {} are in the same buffer",
                        dispatch.label, first.name, second.name, a.name, b.name
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The parts of a buffer that hold a value when a section starts: all of it, or for transients the gaps between
/// tensors.
fn initial(buffer: &Buffer) -> Vec<Range<usize>> {
    match buffer.role {
        Role::Transient => buffer.gaps.clone(),
        _ => std::iter::once(0..usize::MAX).collect(),
    }
}

/// The first word of `range` not covered by `written`.
fn first_hole(written: &[Range<usize>], range: Range<usize>) -> Option<usize> {
    let mut reached = range.start;
    while reached < range.end {
        match written.iter().filter(|w| w.contains(&reached)).map(|w| w.end).max() {
            Some(end) => reached = end,
            None => return Some(reached),
        }
    }
    None
}

fn too_big(what: &str, unit: &str, needed: u64, had: u64) -> Error {
    Error::new(
        Kind::Device,
        format!("{what} needs {needed} {unit}, the device allows {had}"),
        "use a smaller model, batch or data set, or another adapter (see `shadegrad devices`)",
    )
}
