//! What the training loop asks of whatever runs a plan.

use super::{Memory, SlotId};
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

/// Numbers on their way from the device; awaiting it also means that everything before it has run.
pub type Pending = Pin<Box<dyn Future<Output = Result<Vec<f32>>>>>;

/// Runs a plan: on the GPU, or on the CPU by the twins.
pub trait Executor {
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

    /// Waits for all runs so far, and reads a whole slot.
    fn read(&mut self, slot: SlotId) -> impl Future<Output = Result<Array<f64>>>;

    /// Bytes moved so far.
    fn traffic(&self) -> Traffic;
}
