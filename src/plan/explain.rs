//! A plan as a table for display.

use super::{Plan, Role};
use crate::error::Result;
use crate::kernel::Caps;
use crate::text::columns;
use std::fmt::Write as _;

impl Plan {
    /// Tables of each section's dispatches, with shapes, workgroups, FLOPs and bytes, and of the memory.
    ///
    /// Without `caps` (on the CPU path), the columns for variant and workgroups are omitted.
    pub fn explain(&self, caps: Option<&Caps>) -> Result<String> {
        let mut text = String::new();
        for section in &self.sections {
            let mut rows =
                vec![["#", "dispatch", "kernel", "variant", "groups", "MFLOP", "kB", "bindings"].map(String::from)];
            let (mut flops, mut bytes) = (0, 0);
            for (number, dispatch) in section.dispatches.iter().enumerate() {
                let (variant, groups) = match caps {
                    Some(caps) => {
                        let variant = dispatch.kernel.choose(&dispatch.params, caps);
                        let groups = dispatch.kernel.groups(&dispatch.params, &variant);
                        (variant.name, groups.to_string())
                    }
                    None => ("twin".to_owned(), "-".to_owned()),
                };
                let cost = (dispatch.kernel.flops(&dispatch.params), self.bytes(dispatch));
                flops = cost.0.saturating_add(flops);
                bytes = cost.1.saturating_add(bytes);
                let bindings = dispatch.bindings().map(|(binding, id)| {
                    let slot = self.memory.slot(id);
                    format!("{}={} {}", binding.name, slot.name, slot.ty.shape)
                });
                rows.push([
                    (number + 1).to_string(),
                    dispatch.label.clone(),
                    dispatch.kernel.name().to_owned(),
                    variant,
                    groups,
                    format!("{:.3}", cost.0 as f64 / 1e6),
                    format!("{:.1}", cost.1 as f64 / 1e3),
                    bindings.collect::<Vec<_>>().join(", "),
                ]);
            }
            let (megaflops, megabytes) = (flops as f64 / 1e6, bytes as f64 / 1e6);
            let count = section.dispatches.len();
            let _ = writeln!(text, "{}: {count} dispatches, {megaflops:.1} MFLOP, {megabytes:.1} MB", section.name);
            text.push_str(&columns(&rows));
            if !section.graph.is_empty() {
                let _ = write!(text, "\nthe graph of {}\n{}", section.name, section.graph);
            }
            text.push('\n');
        }
        text.push_str(&self.explain_memory());
        Ok(text)
    }

    fn explain_memory(&self) -> String {
        let mut rows = vec![["buffer", "kept", "type", "kB", "slots"].map(String::from)];
        for (index, buffer) in self.memory.buffers().iter().enumerate() {
            let kept = match buffer.role {
                Role::Data => "data",
                Role::Input => "input",
                Role::Parameter | Role::Optimizer | Role::Carried | Role::Scratch => "state",
                Role::Transient => "transient",
            };
            let slots = self.memory.slots().iter().filter(|slot| slot.buffer == index);
            rows.push([
                buffer.name.clone(),
                kept.to_owned(),
                buffer.dtype.to_string(),
                format!("{:.1}", buffer.words as f64 * 4.0 / 1e3),
                slots.map(|slot| format!("{} {}", slot.name, slot.ty.shape)).collect::<Vec<_>>().join(", "),
            ]);
        }
        format!("{}\n{}", self.total_memory(), columns(&rows))
    }

    /// A summary of memory use: arenas and other model-wide buffers by name, those of passes by contents. All of it is
    /// allocated from start to end, so the total is the peak.
    fn total_memory(&self) -> String {
        let megabytes = |words: usize| format!("{:.1} MB", words as f64 * 4.0 / 1e6);
        let mut parts: Vec<(&str, usize)> = vec![("data", 0)];
        for buffer in self.memory.buffers() {
            let part = match buffer.role {
                Role::Data => "data",
                Role::Input => "inputs",
                _ if !buffer.name.contains('/') => buffer.name.as_str(),
                Role::Transient => "activations and other transients",
                Role::Parameter | Role::Optimizer | Role::Carried | Role::Scratch => "counters and metrics",
            };
            match parts.iter_mut().find(|(name, _)| *name == part) {
                Some((_, words)) => *words = buffer.words.saturating_add(*words),
                None => parts.push((part, buffer.words)),
            }
        }
        let total = parts.iter().fold(0, |total: usize, (_, words)| total.saturating_add(*words));
        let parts: Vec<_> = parts.into_iter().map(|(name, words)| format!("{name} {}", megabytes(words))).collect();
        let (total, saved) = (megabytes(total), megabytes(self.reused_words));
        format!("peak memory {total}: {}; reuse saved {saved}", parts.join(", "))
    }
}
