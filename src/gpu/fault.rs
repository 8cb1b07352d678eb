//! Device faults: detection, error messages, and injection for tests.

use crate::error::{Error, Kind};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A fault reported by wgpu or the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DeviceFault {
    /// The device is lost, with all its data.
    Lost(String),
    /// Out of memory.
    OutOfMemory(String),
    /// Timeout.
    Silent(Duration),
    /// An operation was rejected.
    Refused(String),
}

impl From<wgpu::Error> for DeviceFault {
    fn from(error: wgpu::Error) -> Self {
        match &error {
            // The error itself is generic; its source names the allocation.
            wgpu::Error::OutOfMemory { source } => {
                let reason = source.source().map_or(String::new(), |reason| format!(": {reason}"));
                Self::OutOfMemory(format!("{source}{reason}"))
            }
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl DeviceFault {
    /// The error: what happened, on which device, during which operation.
    pub(super) fn error(&self, device: &str, doing: &str) -> Error {
        let (what, advice) = match self {
            Self::Lost(message) => {
                let message = one_line(message);
                let reason = if message.is_empty() { message } else { format!(", {message}") };
                let advice = "try again; if that does not help, update the driver, or choose another adapter (see \
                              `shadegrad devices`)";
                (format!("the device was lost{reason}"), advice)
            }
            Self::OutOfMemory(message) => {
                let advice = "use a smaller model or batch, close other programs that use the adapter, or choose \
                              another (see `shadegrad devices`)";
                (format!("out of memory: {}", one_line(message)), advice)
            }
            Self::Silent(patience) => {
                let advice = "use a smaller model or batch, or choose a faster adapter (see `shadegrad devices`); a \
                              driver that hangs may need a restart";
                (format!("no answer within {patience:?}"), advice)
            }
            Self::Refused(message) => {
                let advice =
                    "update the driver or choose another adapter (see `shadegrad devices`), and report this line";
                (one_line(message), advice)
            }
        };
        let error = Error::new(Kind::Device, format!("{device}, {doing}: {what}"), advice);
        if matches!(self, Self::OutOfMemory(_)) { error.for_lack_of_memory() } else { error }
    }
}

/// Joins the lines of a driver message.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first fault of a device; later ones are consequences.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstFault(Arc<Mutex<Option<DeviceFault>>>);

impl FirstFault {
    pub(super) fn report(&self, fault: DeviceFault) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A lost device rejects everything, often before it reports the loss.
        if matches!((first.as_ref(), &fault), (None, _) | (Some(DeviceFault::Refused(_)), DeviceFault::Lost(_))) {
            *first = Some(fault);
        }
    }

    pub(super) fn get(&self) -> Option<DeviceFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Operations that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// Creating a buffer with this name.
    Allocate(&'a str),
    /// Submitting commands.
    Submit,
    /// Waiting for the device.
    Wait,
}

/// An injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Device loss.
    Lost,
    /// Out of memory.
    OutOfMemory,
    /// No answer until the timeout. Only while waiting.
    Silence,
}

/// Injects faults for tests, since a healthy device cannot be made to fail. A panic in a wait mimics wgpu's panic on
/// device loss.
#[derive(Clone)]
pub struct Drill(Arc<dyn Fn(Moment<'_>) -> Option<Mishap> + Send + Sync>);

impl Drill {
    /// A drill that calls a function at each moment.
    pub fn new(mishaps: impl Fn(Moment<'_>) -> Option<Mishap> + Send + Sync + 'static) -> Self {
        Self(Arc::new(mishaps))
    }

    pub(super) fn at(&self, moment: Moment<'_>) -> Option<Mishap> {
        (self.0)(moment)
    }
}

impl Default for Drill {
    /// Injects nothing.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drill")
    }
}
