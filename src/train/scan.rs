//! Evaluates a run's scans for non-finite numbers, and determines what came first.

use super::progress::{ADVICE, not_finite};
use crate::error::{Error, Kind, Result};
use crate::plan::{Executor, Memory, Pending, Slot, SlotId};
use crate::planner::{BadElements, ScanSlots};

/// Tracks the scans of a run.
pub(super) struct Scan {
    slots: ScanSlots,
    every: usize,
    /// The last step after which everything was known to be finite; 0 for the start.
    sound: usize,
    /// Findings per array, if any.
    found: Option<Vec<Option<BadElements>>>,
}

impl Scan {
    /// Scans after every `every` steps.
    ///
    /// # Errors
    /// If the plan has no scan section.
    pub(super) fn new(slots: Option<&ScanSlots>, every: usize) -> Result<Self> {
        let missing = || Error::new(Kind::Usage, "the plan has no section for scans", "build it with Trainer::plan");
        Ok(Self { slots: slots.ok_or_else(missing)?.clone(), every, sound: 0, found: None })
    }

    /// The step of the next scan after `done`, at most `end`.
    pub(super) fn due_after(&self, done: usize, end: usize) -> usize {
        ((done / self.every + 1) * self.every).min(end)
    }

    /// Requests the record as it is after all runs so far.
    pub(super) fn fetch<E: Executor>(&self, executor: &mut E) -> Result<Pending<u32>> {
        executor.fetch_words(self.slots.record)
    }

    /// Processes the record of a scan after `step` steps.
    pub(super) fn arrive(&mut self, step: usize, record: &[u32]) {
        let found = ScanSlots::found(record);
        match found.iter().flatten().map(|found| found.step).min() {
            None => self.sound = step,
            Some(first) => {
                // Findings stay in the record, so earlier scans found nothing.
                self.sound = self.sound.max(first.saturating_sub(1) / self.every * self.every);
                self.found = Some(found);
            }
        }
    }

    /// Whether anything was found.
    pub(super) fn has_found(&self) -> bool {
        self.found.is_some()
    }

    /// Checks all findings; `bad_loss` is the first step with a non-finite loss, and that loss.
    ///
    /// # Errors
    /// If there are any; reports the step, or the steps before and after, the tensors with their first elements, and
    /// the loss.
    pub(super) fn judge(&self, memory: &Memory, bad_loss: Option<(usize, f32)>) -> Result<()> {
        let found = self.found.as_ref().map(|found| self.describe(memory, found));
        let before = match self.sound {
            0 => String::new(),
            step => format!("; after step {step} gradients and weights were finite"),
        };
        let cause = match (bad_loss, found) {
            (None, None) => return Ok(()),
            (None, Some((step, what))) => format!("after step {step} {what}{before}"),
            (Some((at, loss)), Some((step, what))) if step < at => {
                format!("after step {step} {what}{before}, and the loss of step {at} is {loss}")
            }
            (Some((at, loss)), found) => {
                let loss = not_finite(&format!("the loss of step {at}"), loss.into());
                let after = found.map_or(String::new(), |(step, what)| format!("; after step {step} {what}"));
                format!("{}{before}{after}", loss.cause())
            }
        };
        Err(Error::new(Kind::Numeric, cause, ADVICE))
    }

    /// The first step whose scan found something, and what.
    fn describe(&self, memory: &Memory, found: &[Option<BadElements>]) -> (usize, String) {
        let step = found.iter().flatten().map(|found| found.step).min().unwrap_or_default();
        let first = found.iter().zip(&self.slots.arrays).filter_map(|(found, array)| Some((found.as_ref()?, array)));
        let tell = |(found, &array): (&BadElements, &SlotId)| {
            let (first, name) = (element(memory, array, found.first), &memory.slot(array).name);
            match found.count {
                1 => format!("{first} is not finite"),
                count => format!("{first} and {} more of {name} are not finite", count - 1),
            }
        };
        (step, first.filter(|(found, _)| found.step == step).map(tell).collect::<Vec<_>>().join(", and "))
    }
}

/// Tensor and position of an arena's element, such as `weights/fc1.weight [3, 17]`.
fn element(memory: &Memory, arena: SlotId, index: usize) -> String {
    let arena = memory.slot(arena);
    let holds = |slot: &&Slot| {
        let inside = slot.name.strip_prefix(&arena.name).is_some_and(|rest| rest.starts_with('/'));
        inside && slot.buffer == arena.buffer && (slot.offset..slot.offset + slot.words).contains(&index)
    };
    let slot = memory.slots().iter().find(holds).unwrap_or(arena);
    let mut rest = index - slot.offset;
    let mut place: Vec<usize> = Vec::new();
    for extent in slot.ty.extents().iter().rev() {
        place.push(rest % extent);
        rest /= extent;
    }
    place.reverse();
    format!("{} {place:?}", slot.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Role;
    use crate::shape::{DType, Shape};

    /// Scans every 10 steps of weights `w [3, 5]` and `b [7]`, and of their gradients.
    fn scans() -> (Memory, Scan) {
        let mut memory = Memory::default();
        let tensors = [("w".to_owned(), Shape::from([3, 5])), ("b".to_owned(), Shape::from([7]))];
        let weights = memory.arena("weights", Role::Parameter, &tensors).expect("it is small");
        let gradients = memory.arena("gradients", Role::Transient, &tensors).expect("it is small");
        let record = memory.array("record", Role::Scratch, DType::U32, [2, 3]).expect("it is small");
        let slots = ScanSlots { record, arrays: vec![gradients.all, weights.all] };
        let scan = Scan::new(Some(&slots), 10).expect("there is a record");
        (memory, scan)
    }

    #[test]
    fn scans_are_due_at_multiples_and_at_the_end() {
        let (_, scan) = scans();
        let due: Vec<_> = [0, 9, 10, 19, 20].map(|done| scan.due_after(done, 24)).into();
        assert_eq!(due, [10, 10, 20, 20, 24]);
    }

    #[test]
    fn what_came_first_is_told_first() {
        let sound = [0; 6];
        let gradients = [2, 7, 30, 0, 0, 0];
        let both = [1, 64, 30, 22, 0, 30];
        let later = [0, 0, 0, 22, 70, 40];
        let [w, b] = ["gradients/w [1, 2]", "gradients/b [0]"];
        let weights = "weights/w [0, 0] and 21 more of weights are not finite";
        let before = "; after step 20 gradients and weights were finite";
        for (record, loss, expected) in [
            (sound, None, None),
            (gradients, None, Some(format!("after step 30 {w} and 1 more of gradients are not finite{before}"))),
            (both, None, Some(format!("after step 30 {b} is not finite, and {weights}{before}"))),
            (
                gradients,
                Some((31, f32::NAN)),
                Some(format!(
                    "after step 30 {w} and 1 more of gradients are not finite{before}, and the loss of step 31 is NaN"
                )),
            ),
            (
                later,
                Some((33, f32::INFINITY)),
                Some(
                    "the loss of step 33 is inf; after step 30 gradients and weights were finite; \
                     after step 40 weights/b [6] and 21 more of weights are not finite"
                        .to_owned(),
                ),
            ),
            (
                sound,
                Some((33, f32::NAN)),
                Some("the loss of step 33 is NaN; after step 40 gradients and weights were finite".to_owned()),
            ),
        ] {
            let (memory, mut scan) = scans();
            scan.arrive(20, &sound);
            scan.arrive(40, &record);
            let verdict = scan.judge(&memory, loss).map_err(|error| error.cause().to_owned());
            assert_eq!(verdict.err(), expected);
        }
    }
}
