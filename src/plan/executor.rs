//! The interface between the training loop and the executors of plans.

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

/// Values on their way from the device; awaiting them also means that everything before them has run.
pub type Pending<T = f32> = Pin<Box<dyn Future<Output = Result<Vec<T>>>>>;

/// Runs a plan: on the GPU, or on the CPU with the twins.
pub trait Executor: Sized {
    /// The memory of its plan.
    fn memory(&self) -> &Memory;

    /// Writes floats to an f32 slot.
    fn write_f32(&mut self, slot: SlotId, data: &[f32]) -> Result<()>;

    /// Writes u32 words, or packed bytes, to a slot.
    fn write_words(&mut self, slot: SlotId, data: &[u32]) -> Result<()>;

    /// Runs `section` `times` times, without waiting.
    fn run(&mut self, section: &str, times: u32) -> Result<()>;

    /// Requests `count` elements of an f32 slot, starting at `first`, as they are after all runs so far.
    fn fetch(&mut self, slot: SlotId, first: usize, count: usize) -> Result<Pending>;

    /// Requests all words of a u32 slot, as they are after all runs so far.
    fn fetch_words(&mut self, slot: SlotId) -> Result<Pending<u32>>;

    /// Waits for all runs so far, and reads a whole slot.
    fn read(&mut self, slot: SlotId) -> impl Future<Output = Result<Array<f64>>>;

    /// Bytes moved so far.
    fn traffic(&self) -> Traffic;

    /// Switches to another plan on the same device, without moving what is kept through the host.
    ///
    /// `keep` selects what is kept, matched by name and type of each array and each tensor of an arena, at any
    /// position; compiled kernels and the counts of [`Self::traffic`] are always kept. Everything else is zero, as in a
    /// new executor. Slots belong to their plan: those of the earlier one become invalid. Waits for all runs so far;
    /// values already requested by [`Self::fetch`] still arrive.
    ///
    /// # Errors
    /// As for a new executor of this plan, or if the device has failed. Whatever was to be kept is lost then.
    fn with_plan(self, plan: Plan, keep: Keep) -> impl Future<Output = Result<Self>>;
}
