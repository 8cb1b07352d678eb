//! The best weights of a run, kept on the device.

use super::names::{KEPT, Phase};
use super::slots::ModelSlots;
use crate::error::Result;
use crate::ops::elementwise::copy;
use crate::plan::{Plan, Role};
use crate::shape::DType;

/// Adds the sections that copy weights and running state to arenas of their own, and back.
pub(super) fn add_keeping(plan: &mut Plan, model: &ModelSlots) -> Result<()> {
    let mut pairs = Vec::new();
    for arena in model.arenas() {
        let (name, words) = (plan.memory.slot(arena.all).name.clone(), plan.memory.slot(arena.all).words);
        let kept = plan.memory.array(&format!("{KEPT}/{name}"), Role::Scratch, DType::F32, [words])?;
        pairs.push((name, arena.all, kept));
    }
    for (phase, back) in [(Phase::Keep, false), (Phase::Restore, true)] {
        plan.begin(phase.name());
        for (name, state, kept) in &pairs {
            let pair = if back { [*kept, *state] } else { [*state, *kept] };
            copy::record(plan, &format!("{phase} {name}"), pair)?;
        }
    }
    Ok(())
}
