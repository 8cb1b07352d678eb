//! Random plans, with an independent check of their validity.

use super::{Limit, Usage};
use shadegrad::kernel::{AnyKernel, Caps, word};
use shadegrad::ops::registry;
use shadegrad::plan::{ALIGNMENT_WORDS, Plan, Role, Section, SlotId};
use shadegrad::shader::{Access, Reflection, Scalar};
use shadegrad::shape::{DType, Shape, TensorType};
use std::sync::LazyLock;

/// One or two bytes create a slot or a dispatch with names; extents must not allocate.
const SCRIPT: Limit = Limit { factor: 2 << 10, constant: 64 << 10 };

/// The independent check keeps a flag per word, and skips larger buffers.
const MOST_WORDS: usize = 1 << 13;

const SIZES: [u32; 16] = [1, 2, 3, 4, 5, 7, 8, 16, 63, 64, 65, 70, 256, 1 << 16, u32::MAX, 0];
const NAMES: [&str; 4] = ["train", "evaluate", "scan", "keep"];
const ROLES: [Role; 4] = [Role::Transient, Role::Carried, Role::Data, Role::Input];
const TYPES: [DType; 3] = [DType::F32, DType::U32, DType::U8];

struct Known {
    kernels: Vec<(&'static dyn AnyKernel, Reflection)>,
    /// A plan that already contains all kernels, so that their shaders are not parsed again.
    plan: Plan,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut plan = Plan::default();
    let read = |kernel: &'static dyn AnyKernel| {
        let (_, bytes) = kernel.fields();
        // Rejected for its bindings, after parsing the shader.
        plan.dispatch_any(String::new(), kernel, vec![1; bytes], &[]).expect_err("nothing is bound");
        let source = kernel.variants(&Caps::portable())[0].source();
        (kernel, Reflection::of(kernel.name(), &source).expect("its shader is valid"))
    };
    Known { kernels: registry().into_iter().map(read).collect(), plan }
});

/// Interprets the bytes as a script that builds a plan, then validates and explains it.
pub fn plan(bytes: &[u8]) -> Usage {
    let known = &*KNOWN;
    let (outcome, usage) = SCRIPT.measure(bytes.len(), || {
        let mut script = Script { bytes: bytes.iter(), plan: known.plan.clone(), ids: Vec::new(), gaps: Vec::new() };
        while let Some(&instruction) = script.bytes.next() {
            script.follow(known, instruction);
        }
        script.plan.explain(None)?;
        // Must not panic whatever a small device allows.
        let _ = script.plan.validate(&Caps::portable());
        Ok(script)
    });
    if let Ok(script) = outcome {
        let caps =
            Caps { max_binding_bytes: u64::MAX, max_buffer_bytes: u64::MAX, max_groups: u32::MAX, ..Caps::portable() };
        let verdict = script.plan.validate(&caps);
        if let Some(sound) = script.is_sound() {
            assert_eq!(verdict.is_ok(), sound, "{verdict:?}: {}", script.plan.explain(None).expect("it was explained"));
        }
    }
    usage
}

struct Script<'a> {
    bytes: std::slice::Iter<'a, u8>,
    plan: Plan,
    ids: Vec<SlotId>,
    /// For each buffer, the words between tensors, which are never written.
    gaps: Vec<Vec<bool>>,
}

impl Script<'_> {
    /// The next byte modulo `n`; 0 at the end.
    fn pick(&mut self, n: usize) -> usize {
        self.bytes.next().map_or(0, |&byte| usize::from(byte) % n)
    }

    fn shape(&mut self) -> Shape {
        let rank = self.pick(4);
        Shape::new((0..rank).map(|_| SIZES[self.pick(SIZES.len())] as usize).collect::<Vec<_>>())
    }

    fn slot(&mut self) -> Option<SlotId> {
        let place = self.pick(self.ids.len().max(1));
        self.ids.get(place).copied()
    }

    fn follow(&mut self, known: &Known, instruction: u8) {
        match instruction % 8 {
            0 => {
                let (role, dtype, shape) = (ROLES[self.pick(ROLES.len())], TYPES[self.pick(3)], self.shape());
                self.array(role, TensorType::new(dtype, shape));
            }
            1 => self.arena(),
            2 => {
                let (of, shape, first) = (self.slot(), self.shape(), 32 * self.pick(6));
                let name = format!("view {}", self.plan.memory.slots().len());
                if let Some(of) = of {
                    // Rejected if the slot is too small, or the offset is not aligned.
                    let memory = &mut self.plan.memory;
                    let view =
                        if first == 0 { memory.view(of, &name, shape) } else { memory.slice(of, &name, first, shape) };
                    self.ids.extend(view);
                }
            }
            3 => {
                let (name, after) = (NAMES[self.pick(4)], self.pick(8));
                match NAMES.get(after) {
                    Some(after) => self.plan.begin_after(name, *after),
                    None => self.plan.begin(name),
                }
            }
            4 => {
                let (from, to) = (self.pick(8), self.pick(8));
                // Doubling soon exceeds all limits.
                if self.plan.recorded() < 64 {
                    let _ = self.plan.repeat(from..to);
                }
            }
            _ => {
                let (kernel, reflection) = &known.kernels[self.pick(known.kernels.len())];
                self.dispatch(*kernel, reflection);
            }
        }
    }

    fn array(&mut self, role: Role, ty: TensorType) -> Option<SlotId> {
        let name = format!("array {}", self.plan.memory.slots().len());
        // Rejected if the element count overflows.
        let id = self.plan.memory.tensor(&name, role, ty).ok();
        self.ids.extend(id);
        id
    }

    fn arena(&mut self) {
        let name = format!("arena {}", self.plan.memory.slots().len());
        let role = ROLES[self.pick(ROLES.len())];
        let count = self.pick(4);
        let tensors: Vec<_> = (0..count).map(|i| (i.to_string(), self.shape())).collect();
        let Ok(arena) = self.plan.memory.arena(&name, role, &tensors) else { return };
        self.ids.extend(arena.tensors);
        self.ids.push(arena.all);
        let mut gaps = Vec::new();
        for (_, shape) in &tensors {
            let Some(words) = shape.words(DType::F32).ok().filter(|&words| words <= MOST_WORDS) else { return };
            gaps.resize(gaps.len() + words, false);
            gaps.resize(gaps.len().next_multiple_of(ALIGNMENT_WORDS), true);
        }
        let buffer = self.plan.memory.buffers().len() - 1;
        self.gaps.resize(buffer, Vec::new());
        self.gaps.push(gaps);
    }

    /// A dispatch with parameters and slots from the script: new slots, matching ones, or any.
    fn dispatch(&mut self, kernel: &'static dyn AnyKernel, reflection: &Reflection) {
        let (fields, bytes) = kernel.fields();
        let mut params = vec![0; bytes];
        for field in &fields {
            let size = SIZES[self.pick(SIZES.len())];
            let value = if field.scalar == Scalar::F32 { (size as f32).to_bits() } else { size };
            params[field.offset..field.offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        let mut bindings = Vec::new();
        for binding in &reflection.bindings {
            let ty = binding.ty(|name| word(&fields, &params, name)).expect("its extents are fields");
            let choice = self.pick(64);
            let memory = &self.plan.memory;
            let fits = |id: &&SlotId| memory.slot(**id).ty == ty;
            let fitting: Vec<SlotId> = self.ids.iter().filter(fits).copied().collect();
            let fitting = fitting.get(choice / 4 % fitting.len().max(1)).copied();
            let slot = match choice % 4 {
                0 => self.slot(),
                1 => self.array(ROLES[choice / 4 % ROLES.len()], ty),
                _ => fitting.or_else(|| self.array(ROLES[choice / 4 % ROLES.len()], ty)),
            };
            bindings.extend(slot.map(|slot| (binding.name.as_str(), slot)));
        }
        let label = format!("{} {}", kernel.name(), self.plan.recorded());
        // Rejected if a slot does not fit, or no section was started.
        let _ = self.plan.dispatch_any(label, kernel, params, &bindings);
    }

    /// Whether the plan is valid, checked word by word, if that is possible.
    fn is_sound(&self) -> Option<bool> {
        let Plan { memory, sections, .. } = &self.plan;
        let small = memory.buffers().iter().all(|buffer| buffer.words <= MOST_WORDS);
        let unlike = |(i, section): (usize, &Section)| sections[..i].iter().all(|s| s.name != section.name);
        if !small || memory.buffers().len() > 64 || !sections.iter().enumerate().all(unlike) {
            return None;
        }
        let mut ends: Vec<Option<Vec<Vec<bool>>>> = Vec::new();
        for section in sections {
            let before = match &section.after {
                None => Some(self.initial()),
                Some(after) => {
                    sections.iter().zip(&ends).find(|(s, _)| s.name == *after).and_then(|(_, end)| end.clone())
                }
            };
            let end = before.and_then(|written| self.after(section, written));
            ends.push(end);
        }
        Some(ends.iter().all(Option::is_some))
    }

    fn initial(&self) -> Vec<Vec<bool>> {
        let buffers = self.plan.memory.buffers().iter().enumerate();
        let flags = buffers.map(|(i, buffer)| match (buffer.role, self.gaps.get(i)) {
            (Role::Transient, Some(gaps)) if !gaps.is_empty() => gaps.clone(),
            (role, _) => vec![role != Role::Transient; buffer.words],
        });
        flags.collect()
    }

    /// The words written when a section ends, if it is valid.
    fn after(&self, section: &Section, mut written: Vec<Vec<bool>>) -> Option<Vec<Vec<bool>>> {
        let memory = &self.plan.memory;
        for dispatch in &section.dispatches {
            let bound: Vec<_> = dispatch.bindings().map(|(binding, id)| (binding.access, memory.slot(id))).collect();
            for (i, (access, slot)) in bound.iter().enumerate() {
                let range = slot.offset..slot.offset + slot.words;
                let reads = *access != Access::Write;
                let writes = *access != Access::Read;
                if reads && written[slot.buffer][range.clone()].contains(&false) {
                    return None;
                }
                if writes && memory.buffers()[slot.buffer].role.is_from_host() {
                    return None;
                }
                for (other_access, other) in bound.iter().take(i).filter(|(_, other)| other.buffer == slot.buffer) {
                    let common = range.clone().any(|word| (other.offset..other.offset + other.words).contains(&word));
                    let mixed = (*access == Access::Read) != (*other_access == Access::Read);
                    if mixed || (writes && common) {
                        return None;
                    }
                }
            }
            for (_, slot) in bound.iter().filter(|(access, _)| *access != Access::Read) {
                written[slot.buffer][slot.offset..slot.offset + slot.words].fill(true);
            }
        }
        Some(written)
    }
}
