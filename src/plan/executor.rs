//! What the training loop asks of whatever runs a plan.

use super::{Keep, Memory, Plan, SlotId};
use crate::error::Result;
use crate::kernel::Array;
use std::future::Future;
use std::pin::Pin;

/// Bytes moved between host and device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From host to device.
    pub up: u64,
    /// From device to host.
    pub down: u64,
}

/// Numbers or words on their way from the device; awaiting them also means that everything before them has run.
pub type Pending<T = f32> = Pin<Box<dyn Future<Output = Result<Vec<T>>>>>;

/// Runs a plan: on the GPU, or on the CPU by the twins.
pub trait Executor: Sized {
    /// The memory of its plan.
    fn memory(&self) -> &Memory;

    /// Writes f32 numbers to a slot.
    fn write_f32(&mut self, slot: SlotId, data: &[f32]) -> Result<()>;

    /// Writes u32 words, or packed bytes, to a slot.
    fn write_words(&mut self, slot: SlotId, data: &[u32]) -> Result<()>;

    /// Runs `section` `times` times, without waiting for it to end.
    fn run(&mut self, section: &str, times: u32) -> Result<()>;

    /// Asks for `count` numbers of an f32 slot, from element `first` on, as they are after all runs so far.
    fn fetch(&mut self, slot: SlotId, first: usize, count: usize) -> Result<Pending>;

    /// Asks for all words of a slot of u32, as they are after all runs so far.
    fn fetch_words(&mut self, slot: SlotId) -> Result<Pending<u32>>;

    /// Waits for all runs so far, and reads a whole slot.
    fn read(&mut self, slot: SlotId) -> impl Future<Output = Result<Array<f64>>>;

    /// Bytes moved so far.
    fn traffic(&self) -> Traffic;

    /// Goes on with another plan on the same device, without moving what is kept to the host and back.
    ///
    /// Kept is what `keep` says, matched by name and type of each array and each tensor of an arena, wherever it lies; also what was compiled, and the counts of [`Self::traffic`]. All else is as in a new executor: zero. Slots
    /// belong to their plan: those of the earlier one mean nothing any more. Waits for all runs so far; numbers already
    /// asked for by [`Self::fetch`] still arrive.
    ///
    /// # Errors
    /// As of a new executor for this plan, or where the device has failed. What was to be kept is gone then.
    fn with_plan(self, plan: Plan, keep: Keep) -> impl Future<Output = Result<Self>>;
}
