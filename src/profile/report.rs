//! What a profile tells: the one model that every table, page, trace and file is made of.

use super::compare::Comparison;
use crate::error::{Error, Kind, Result};
use crate::gpu::Flaw;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// The form of a saved profile; another one is refused.
const FORMAT: u32 = 2;

/// Times, rates, and what they were measured on. Times are in microseconds, rates in 10^9 a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The form of this.
    pub format: u32,
    /// The program's name and version.
    pub program: String,
    /// When it was taken, in seconds since 1970.
    pub taken: u64,
    /// What it ran on.
    pub device: String,
    /// What was profiled: the training step of a model, or a kernel.
    pub title: String,
    /// By which clock dispatches were timed.
    pub clock: Clock,
    /// What the device can do at most.
    pub peaks: Peaks,
    /// The training step as a whole, where one was profiled.
    pub step: Option<Step>,
    /// Dispatches in the order of the step; or a kernel in its variants and shapes.
    pub rows: Vec<Row>,
    /// What happened when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submits: Vec<Submit>,
    /// How far the device's times may be off against the host's in [`Self::submits`].
    pub clocks_apart: f64,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// How it compares with an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// What times of dispatches are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Clock {
    /// By the device's timestamps.
    Device,
    /// By the host's clock around each dispatch.
    Wall {
        /// Why not by the device's.
        reason: String,
    },
}

impl From<Flaw> for Clock {
    fn from(flaw: Flaw) -> Self {
        Self::Wall { reason: format!("{flaw}; each dispatch has the time of its own submit in it") }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => f.write_str("the device's timestamps"),
            Self::Wall { reason } => write!(f, "WALL TIME: {reason}"),
        }
    }
}

/// The middle of many numbers, and the quarters below and above which a quarter of them lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle.
    pub median: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Spread {
    /// Of these numbers; of none, zeros.
    pub fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return Self::default() };
        let quantile = |share: f64| {
            let place = share * last as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { median: quantile(0.5), low: quantile(0.25), high: quantile(0.75) }
    }

    /// Each of its numbers through a function.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { median: f(self.median), low: f(self.low), high: f(self.high) }
    }
}

/// What a peak is a peak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Arithmetic in single precision.
    F32,
    /// Arithmetic in half precision.
    F16,
    /// Memory, as much written as read.
    Copy,
    /// Memory, read only.
    Read,
    /// Workgroup memory, read only.
    Workgroup,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Copy => "copy",
            Self::Read => "read",
            Self::Workgroup => "workgroup memory",
        })
    }
}

/// A measured rate, in GFLOP/s or GB/s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Of what.
    pub resource: Resource,
    /// Bytes of memory that it went over, where that matters: those of a cache are faster.
    pub bytes: Option<u64>,
    /// The best that was seen: what kernels are measured by.
    pub best: f64,
    /// Of all repeats.
    pub spread: Spread,
}

/// The least that something takes, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Least {
    /// The least that was seen: what kernels are measured by.
    pub best: f64,
    /// Of the least of each repeat.
    pub spread: Spread,
}

impl Least {
    /// Of the least times of repeats, where there were any.
    pub(super) fn of(repeats: &[f64]) -> Option<Self> {
        let best = repeats.iter().copied().min_by(f64::total_cmp)?;
        Some(Self { best, spread: Spread::of(repeats) })
    }
}

/// What a device can do at most, as measured on it just before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Arithmetic and memory.
    pub rates: Vec<Rate>,
    /// What a dispatch adds to others that does next to nothing.
    pub dispatch: Option<Spread>,
    /// What such a dispatch takes at least, timed as those of a step are; none where the device's clock tells nothing.
    pub least_dispatch: Option<Least>,
    /// From handing over a submit of one such dispatch to knowing that it has ended.
    pub submit: Option<Spread>,
    /// From asking for eight bytes to having them.
    pub readback: Option<Spread>,
}

/// A training step as a whole: times of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Rows of its batch.
    pub batch: usize,
    /// Steps timed dispatch by dispatch, and as many as a whole.
    pub steps: usize,
    /// Steps in a submit.
    pub per_submit: usize,
    /// Of a step as training runs it: the host's clock around a submit, by its steps.
    pub wall: Spread,
    /// The same of each submit, in order.
    pub rounds: Vec<f64>,
    /// Of a step that is timed dispatch by dispatch.
    pub timed: Spread,
    /// What the timing costs, as a share of [`Self::wall`]: each submit beside the one before it.
    pub timing_cost: Spread,
    /// Where the mean time of a timed step goes.
    pub parts: Parts,
}

/// Parts of the mean time of a timed step. They add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// In dispatches.
    pub dispatches: f64,
    /// On the device between dispatches, among them what timing takes there.
    pub gaps: f64,
    /// On the host: recording and submitting.
    pub host: f64,
    /// What is left: until the device begins, and until the host knows that it has ended.
    pub waiting: f64,
}

impl Parts {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.dispatches + self.gaps + self.host + self.waiting
    }

    /// The share of the time that is accounted for: in dispatches, between them, or on the host.
    pub fn accounted(&self) -> f64 {
        super::over(self.total() - self.waiting, self.total())
    }
}

/// A dispatch of a step, or a kernel in one variant and shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The places of its runs in the step, from 1 on.
    pub places: Vec<usize>,
    /// What it is for.
    pub label: String,
    /// The kernel.
    pub kernel: String,
    /// The variant; `twin` on the CPU path.
    pub variant: String,
    /// Extents of its bindings, such as `m=128 k=784 n=1024`.
    pub shape: String,
    /// How often it was timed.
    pub calls: usize,
    /// Of a call.
    pub time: Spread,
    /// The medians of each submit: how far they lie apart is noise.
    pub rounds: Vec<f64>,
    /// Its share of the timed step; none where no step was profiled.
    pub share: Option<f64>,
    /// Floating-point operations of a call.
    pub flops: u64,
    /// Bytes that a call must move.
    pub bytes: u64,
    /// GFLOP/s at the median.
    pub gflops: f64,
    /// GB/s at the median.
    pub gbs: f64,
    /// FLOP a byte.
    pub intensity: f64,
    /// The peak that bounds it.
    pub roof: Option<Roof>,
    /// The worst error against the twin as a share of what is allowed, where that was tested; above 1 it is wrong.
    pub error: Option<f64>,
    /// Whether this is the variant that training takes.
    pub chosen: bool,
}

impl Row {
    /// Whether it seems to be faster than the device can be, beyond what the peak's repeats differ by: then its cost or
    /// the peak is measured wrongly.
    pub fn is_above_roof(&self) -> bool {
        self.roof.as_ref().is_some_and(Roof::is_exceeded)
    }
}

/// The peak that bounds a dispatch: the one by which it would take longest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roof {
    /// Which peak.
    pub name: String,
    /// The time that it allows.
    pub least: f64,
    /// What of the roof is reached, 1 for all of it.
    pub share: f64,
    /// The share from 1 on that may be reached, for the peak may be higher than it was found: by as much again as the
    /// best of its repeats lies above their median.
    pub most: f64,
}

impl Roof {
    /// Whether more of it is reached than may be.
    pub fn is_exceeded(&self) -> bool {
        self.share > self.most
    }
}

/// A submit, in time from the first of them on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// Steps in it.
    pub steps: usize,
    /// On the host: recording begun, recording ended, submitted, ended.
    pub host: [f64; 4],
    /// Beginning and end of each dispatch, where they were timed; step after step.
    pub dispatches: Vec<[f64; 2]>,
}

impl Profile {
    /// An empty one, to be filled.
    pub(super) fn new(device: String, title: String, peaks: Peaks) -> Self {
        let taken = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            format: FORMAT,
            program: concat!("shadegrad ", env!("CARGO_PKG_VERSION")).to_owned(),
            taken: taken.map_or(0, |since| since.as_secs()),
            device,
            title,
            clock: Clock::Device,
            peaks,
            step: None,
            rows: Vec::new(),
            submits: Vec::new(),
            clocks_apart: 0.0,
            notes: Vec::new(),
            comparison: None,
        }
    }

    /// Writes it to a file for [`Self::load`], without a comparison.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = self.json().to_string();
        text.push('\n');
        std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))
    }

    /// Reads a file of [`Self::save`].
    ///
    /// # Errors
    /// Where it cannot be read, or is no profile of this program's form.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
        let refuse = |what: String| {
            let advice = "give a file that `shadegrad profile --save` of this version wrote";
            Error::new(Kind::Io, format!("{} is no saved profile: {what}", path.display()), advice)
        };
        let profile: Self = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if profile.format != FORMAT {
            return Err(refuse(format!("its form is {}, not {FORMAT}", profile.format)));
        }
        Ok(profile)
    }

    /// All of it as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The rows that seem to be faster than the device can be.
    pub fn above_roof(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_above_roof())
    }
}
