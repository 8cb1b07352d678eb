//! What goes wrong on a device, how it is told, and how tests bring it about.

use crate::error::{Error, Kind};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A fault, as wgpu or the driver reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The device is gone with all that was on it.
    Lost(String),
    /// There is no room for a buffer.
    OutOfMemory(String),
    /// The device was given this long and has not done its work.
    Silent(Duration),
    /// Something that was asked of the device is not allowed or does not work on it.
    Refused(String),
}

impl From<wgpu::Error> for Fault {
    fn from(error: wgpu::Error) -> Self {
        match &error {
            // It says no more than that memory is out; what was asked for stands in its source.
            wgpu::Error::OutOfMemory { source } => {
                let reason = source.source().map_or(String::new(), |reason| format!(": {reason}"));
                Self::OutOfMemory(format!("{source}{reason}"))
            }
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl Fault {
    /// The error to end with: what happened, on which device, and while it was doing what.
    pub(super) fn error(&self, device: &str, doing: &str) -> Error {
        let (what, advice) = match self {
            Self::Lost(message) => {
                let message = one_line(message);
                let reason = if message.is_empty() { message } else { format!(", {message}") };
                let advice = "start again; where that does not help, update the driver, or choose another adapter (see \
                              `shadegrad devices`)";
                (format!("the device was lost{reason}"), advice)
            }
            Self::OutOfMemory(message) => {
                let advice = "make the model or batch smaller, close other programs that use the adapter, or choose \
                              another (see `shadegrad devices`)";
                (format!("out of memory, {}", one_line(message)), advice)
            }
            Self::Silent(patience) => {
                let advice = "make the model or batch smaller, or choose a faster adapter (see `shadegrad devices`); a \
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

/// Driver messages run over many lines; an error is one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first fault that a device has reported; what follows it follows from it.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstFault(Arc<Mutex<Option<Fault>>>);

impl FirstFault {
    pub(super) fn report(&self, fault: Fault) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A lost device refuses everything, often before it says that it is lost.
        if matches!((first.as_ref(), &fault), (None, _) | (Some(Fault::Refused(_)), Fault::Lost(_))) {
            *first = Some(fault);
        }
    }

    pub(super) fn get(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is about to be done on a device, where it can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// A buffer of this name is about to be made.
    Allocate(&'a str),
    /// Commands are about to be submitted.
    Submit,
    /// The host is about to wait for the device.
    Wait,
}

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The device is lost.
    Lost,
    /// The device reports that its memory is out.
    OutOfMemory,
    /// The device does not answer until the host's patience is over. Only where it waits.
    Silence,
}

/// Decides at each moment whether something goes wrong: for tests of what becomes of it, as a sound device cannot be
/// made to fail. A panic while the host waits is one of wgpu, as which a loss may come.
#[derive(Clone)]
pub struct Drill(Arc<dyn Fn(Moment<'_>) -> Option<Mishap> + Send + Sync>);

impl Drill {
    /// A drill by a function.
    pub fn new(mishaps: impl Fn(Moment<'_>) -> Option<Mishap> + Send + Sync + 'static) -> Self {
        Self(Arc::new(mishaps))
    }

    pub(super) fn at(&self, moment: Moment<'_>) -> Option<Mishap> {
        (self.0)(moment)
    }
}

impl Default for Drill {
    /// Nothing goes wrong on purpose.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drill")
    }
}
