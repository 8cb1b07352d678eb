//! The section `scan` of a plan: looks for numbers that are not finite in what a training step has changed.

use super::Model;
use crate::error::Result;
use crate::graph::mistake;
use crate::ops::check::non_finite::{NonFinite, NonFiniteParams};
use crate::ops::check::non_finite_record::{NonFiniteRecord, NonFiniteRecordParams, entry};
use crate::ops::word;
use crate::plan::{Memory, Plan, Role, SlotId, Window};
use crate::shape::DType;

/// The slot that holds what scans have found: words that [`found`] reads.
pub const SCAN_RECORD: &str = "scan/record";

/// The arrays that a plan's scan goes through, by name, in the order in which a step writes them.
pub fn scanned(memory: &Memory) -> Vec<(&'static str, SlotId)> {
    ["statistics", "gradients", "weights"].iter().filter_map(|name| Some((*name, memory.find(name)?))).collect()
}

/// What the first scan that found anything in an array found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many steps had begun.
    pub step: usize,
    /// How many elements were not finite.
    pub count: usize,
    /// The index of the first of them.
    pub first: usize,
}

/// What the words of [`SCAN_RECORD`] tell of each array of [`scanned`]; nothing where it was finite at every scan.
pub fn found(record: &[u32]) -> Vec<Option<Found>> {
    let word = |row: &[u32], place: usize| row[place] as usize;
    let read = |row: &[u32]| Found {
        step: word(row, entry::STEPS_BEGUN),
        count: word(row, entry::COUNT),
        first: word(row, entry::FIRST),
    };
    record.chunks_exact(entry::WORDS).map(|row| Some(read(row)).filter(|found| found.count > 0)).collect()
}

impl Model {
    /// Appends to a training plan the section `scan`, which notes in [`SCAN_RECORD`] the first elements of gradients,
    /// weights and statistics that are not finite. It costs as little as reading them once; a step costs what it did.
    ///
    /// # Errors
    /// Where the plan is not one of training.
    pub fn add_scan(&self, plan: &mut Plan) -> Result<()> {
        let missing = || mistake("a scan follows steps of training, which the plan does not have".to_owned());
        let counters = plan.memory.find("train/counters").ok_or_else(missing)?;
        let arrays = scanned(&plan.memory);
        let rows = arrays.len();
        let record = plan.memory.array(SCAN_RECORD, Role::Scratch, DType::U32, [rows, entry::WORDS])?;
        plan.begin_after("scan", "train");
        for (row, (name, array)) in arrays.into_iter().enumerate() {
            let (found, parts) = record_search(plan, name, array)?;
            let params = NonFiniteRecordParams { parts, row: word(row)?, rows: word(rows)? };
            let bindings = [("found", found), ("counters", counters), ("record", record)];
            plan.dispatch(format!("record {name}"), &NonFiniteRecord, params, &bindings)?;
        }
        Ok(())
    }
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
    let slot = format!("scan/{name}");
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
        plan.dispatch(window.label(&format!("scan {name}")), &NonFinite, params, &bindings)?;
    }
    Ok((found, parts))
}
