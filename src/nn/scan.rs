//! The section `scan` of a plan: looks for numbers that are not finite in what a training step has changed.

use super::Model;
use crate::error::Result;
use crate::graph::mistake;
use crate::ops::check::non_finite::{NonFinite, NonFiniteParams};
use crate::ops::check::non_finite_record::{NonFiniteRecord, NonFiniteRecordParams, entry};
use crate::ops::word;
use crate::plan::{Memory, Plan, Role, SlotId};
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
            let params = NonFiniteParams::new(word(plan.memory.slot(array).words)?);
            let (parts, shape) = (params.parts, [params.parts as usize, 2]);
            let found = plan.memory.array(&format!("scan/{name}"), Role::Transient, DType::U32, shape)?;
            plan.dispatch(format!("scan {name}"), &NonFinite, params, &[("a", array), ("found", found)])?;
            let params = NonFiniteRecordParams { parts, row: word(row)?, rows: word(rows)? };
            let bindings = [("found", found), ("counters", counters), ("record", record)];
            plan.dispatch(format!("record {name}"), &NonFiniteRecord, params, &bindings)?;
        }
        Ok(())
    }
}
