//! The section [`Phase::Scan`] of a plan: looks for numbers that are not finite in what a training step has changed.

use super::names::{self, Phase};
use crate::error::Result;
use crate::ops::check::non_finite::{NonFiniteKernel, NonFiniteParams};
use crate::ops::check::non_finite_record::{NonFiniteRecordKernel, NonFiniteRecordParams, entry};
use crate::ops::word;
use crate::plan::{Memory, Plan, Role, SlotId, Window};
use crate::shape::DType;

/// What scans go through, and what they leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanSlots {
    /// What they have found, for [`Self::found`].
    pub record: SlotId,
    /// The arrays that they go through, in the order in which a step writes them.
    pub arrays: Vec<SlotId>,
}

impl ScanSlots {
    /// Finds them in the memory of a plan that scans.
    pub fn find(memory: &Memory) -> Option<Self> {
        Some(Self { record: memory.find(names::SCAN_RECORD)?, arrays: scanned(memory) })
    }

    /// What the words of [`Self::record`] say of each of [`Self::arrays`]; `None` where it was finite at every scan.
    pub fn found(record: &[u32]) -> Vec<Option<BadElements>> {
        let word = |row: &[u32], place: usize| row[place] as usize;
        let read = |row: &[u32]| BadElements {
            step: word(row, entry::STEPS_BEGUN),
            count: word(row, entry::COUNT),
            first: word(row, entry::FIRST),
        };
        record.chunks_exact(entry::WORDS).map(|row| Some(read(row)).filter(|found| found.count > 0)).collect()
    }
}

/// The arrays that a step changes, in the order in which it writes them.
fn scanned(memory: &Memory) -> Vec<SlotId> {
    [names::RUNNING_STATE, names::GRADIENTS, names::WEIGHTS].iter().filter_map(|name| memory.find(name)).collect()
}

/// Non-finite elements of an array, at the first scan that found any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadElements {
    /// How many steps had begun.
    pub step: usize,
    /// How many elements were not finite.
    pub count: usize,
    /// The index of the first of them.
    pub first: usize,
}

/// Appends to a plan that trains the section [`Phase::Scan`], which notes the first elements of gradients, weights and
/// running state that are not finite; `counters` are those of the training steps. It costs as little as reading them
/// once; a step costs what it did.
///
/// # Errors
/// Where a size does not fit the device's 32-bit indices.
pub fn add_scan(plan: &mut Plan, counters: SlotId) -> Result<ScanSlots> {
    let arrays = scanned(&plan.memory);
    let rows = arrays.len();
    let record = plan.memory.array(names::SCAN_RECORD, Role::Scratch, DType::U32, [rows, entry::WORDS])?;
    plan.begin_after(Phase::Scan.name(), Phase::Train.name());
    for (row, &array) in arrays.iter().enumerate() {
        let name = plan.memory.slot(array).name.clone();
        let (found, parts) = record_search(plan, &name, array)?;
        let params = NonFiniteRecordParams { parts, row: word(row)?, rows: word(rows)? };
        let bindings = [("found", found), ("counters", counters), ("record", record)];
        plan.dispatch(format!("record {name}"), &NonFiniteRecordKernel, params, &bindings)?;
    }
    Ok(ScanSlots { record, arrays })
}

/// Searches an array for elements that are not finite; gives the slot of what is found, and of how many parts.
fn record_search(plan: &mut Plan, name: &str, array: SlotId) -> Result<(SlotId, u32)> {
    let windows = plan.memory.windows(&[array])?;
    let params = |window: &Window| {
        let n = word(window.words())?;
        let start = word(window.range.start)?;
        Ok(if windows.len() == 1 { NonFiniteParams::new(n) } else { NonFiniteParams::of_window(n, start) })
    };
    let params = windows.iter().map(params).collect::<Result<Vec<_>>>()?;
    let parts = params.iter().map(|params| params.parts).sum();
    let slot = format!("{}/{name}", Phase::Scan);
    let found = plan.memory.array(&slot, Role::Transient, DType::U32, [parts as usize, 2])?;
    let mut first = 0;
    for (window, params) in windows.iter().zip(params) {
        let shape = [params.parts as usize, 2];
        let part = match windows.len() {
            1 => found,
            _ => plan.memory.slice(found, &format!("{slot}[{first}..]"), first, shape)?,
        };
        first += 2 * params.parts as usize;
        let bindings = [("a", window.slots[0]), ("found", part)];
        plan.dispatch(window.label(&format!("{} {name}", Phase::Scan)), &NonFiniteKernel, params, &bindings)?;
    }
    Ok((found, parts))
}
