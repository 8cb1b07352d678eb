//! The profile data model: tables, page, trace and files are generated from it.

use super::change::Comparison;
use crate::error::{Error, Kind, Result};
use crate::gpu::ClockFlaw;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// Format number of saved profiles; others are rejected.
const FORMAT: u32 = 2;

/// Times in microseconds, rates in 10^9 per second, and the device they were measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Format number.
    pub format: u32,
    /// The program's name and version.
    pub program: String,
    /// Time of the measurement, in seconds since 1970.
    pub taken: u64,
    /// The device.
    pub device: String,
    /// The subject: a model's training step, or a kernel.
    pub title: String,
    /// The clock that timed the dispatches.
    pub clock: Clock,
    /// The device's measured peaks.
    pub peaks: Peaks,
    /// The whole training step, if one was profiled.
    pub step: Option<ProfiledStep>,
    /// Dispatches in step order, or a kernel's variants and shapes.
    pub rows: Vec<DispatchRow>,
    /// Timeline of submissions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submits: Vec<Submit>,
    /// Uncertainty of device times relative to host times in [`Self::submits`].
    pub clocks_apart: f64,
    /// Remarks.
    pub notes: Vec<String>,
    /// Comparison with an earlier profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// How dispatches were timed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Clock {
    /// Device timestamps.
    Device,
    /// The host clock around each dispatch.
    Wall {
        /// Why device timestamps were not used.
        reason: String,
    },
}

impl From<ClockFlaw> for Clock {
    fn from(flaw: ClockFlaw) -> Self {
        Self::Wall { reason: format!("{flaw}; each dispatch includes its own submission") }
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

/// Median and quartiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Spread {
    /// Of these numbers; zeros if there are none.
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

    /// Applies a function to all three.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { median: f(self.median), low: f(self.low), high: f(self.high) }
    }
}

/// The resource whose peak is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// f32 arithmetic.
    F32,
    /// f16 arithmetic.
    F16,
    /// Memory, with equal reads and writes.
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
    /// The resource.
    pub resource: Resource,
    /// Memory footprint, if it matters: caches are faster.
    pub bytes: Option<u64>,
    /// The best repeat: the reference for kernels.
    pub best: f64,
    /// Over all repeats.
    pub spread: Spread,
}

/// A minimum duration in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Least {
    /// The shortest seen: the reference for kernels.
    pub best: f64,
    /// Over the minimum of each repeat.
    pub spread: Spread,
}

impl Least {
    /// From the minimum of each repeat, if any.
    pub(super) fn of(repeats: &[f64]) -> Option<Self> {
        let best = repeats.iter().copied().min_by(f64::total_cmp)?;
        Some(Self { best, spread: Spread::of(repeats) })
    }
}

/// Peaks measured on the device just before the profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Arithmetic and memory rates.
    pub rates: Vec<Rate>,
    /// Cost of one more, nearly empty dispatch.
    pub dispatch: Option<Spread>,
    /// Minimum time of such a dispatch, timed like those of a step; none without device timestamps.
    pub least_dispatch: Option<Least>,
    /// From submitting one such dispatch until its completion is known.
    pub submit: Option<Spread>,
    /// From requesting eight bytes until they are available.
    pub readback: Option<Spread>,
}

/// A whole training step; times are per step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfiledStep {
    /// Batch size.
    pub batch: usize,
    /// Steps timed dispatch by dispatch; as many are timed as a whole.
    pub steps: usize,
    /// Steps per submission.
    pub per_submit: usize,
    /// A step as in training: host time of a submission / its steps.
    pub wall: Spread,
    /// The same for each submission, in order.
    pub rounds: Vec<f64>,
    /// A step with each dispatch timed.
    pub timed: Spread,
    /// Overhead of timing relative to [`Self::wall`], each submission compared with the one before it.
    pub timing_cost: Spread,
    /// Breakdown of the mean timed step.
    pub parts: Parts,
}

/// Breakdown of the mean timed step. The parts add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// In dispatches.
    pub dispatches: f64,
    /// On the device between dispatches, including timestamp overhead.
    pub gaps: f64,
    /// On the host: recording and submitting.
    pub host: f64,
    /// The rest: until the device starts, and until the host notices that it has finished.
    pub waiting: f64,
}

impl Parts {
    /// The sum of all parts.
    pub fn total(&self) -> f64 {
        self.dispatches + self.gaps + self.host + self.waiting
    }

    /// Share of the time that is explained: in dispatches, between them, or on the host.
    pub fn accounted(&self) -> f64 {
        super::over(self.total() - self.waiting, self.total())
    }
}

/// A dispatch of a step, or a kernel in one variant and shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchRow {
    /// Positions in the step, from 1.
    pub places: Vec<usize>,
    /// Its purpose.
    pub label: String,
    /// The kernel.
    pub kernel: String,
    /// The variant; `twin` on the CPU path.
    pub variant: String,
    /// Extents of its bindings, such as `m=128 k=784 n=1024`.
    pub shape: String,
    /// Number of timed calls.
    pub calls: usize,
    /// Time per call.
    pub time: Spread,
    /// Median per submission; their spread is noise.
    pub rounds: Vec<f64>,
    /// Share of the timed step; none if no step was profiled.
    pub share: Option<f64>,
    /// Floating-point operations per call.
    pub flops: u64,
    /// Minimum bytes moved per call.
    pub bytes: u64,
    /// GFLOP/s at the median.
    pub gflops: f64,
    /// GB/s at the median.
    pub gbs: f64,
    /// FLOP/byte.
    pub intensity: f64,
    /// The bounding peak.
    pub roof: Option<Roof>,
    /// Worst error against the twin relative to the bound, if tested; above 1 is wrong.
    pub error: Option<f64>,
    /// Whether training uses this variant.
    pub chosen: bool,
}

impl DispatchRow {
    /// Whether it appears faster than the device allows, beyond the spread of the peak's repeats: a measurement error
    /// of its cost or of the peak.
    pub fn is_above_roof(&self) -> bool {
        self.roof.as_ref().is_some_and(Roof::is_exceeded)
    }
}

/// The bounding peak of a dispatch: the one with the longest minimum time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roof {
    /// Name of the peak.
    pub name: String,
    /// Minimum time at that peak.
    pub least: f64,
    /// Achieved fraction of the peak, 1 at the roof.
    pub share: f64,
    /// Largest plausible fraction, at least 1: the true peak may exceed the measured one by the ratio of the best
    /// repeat to the median.
    pub most: f64,
}

impl Roof {
    /// Whether the fraction exceeds [`Self::most`].
    pub fn is_exceeded(&self) -> bool {
        self.share > self.most
    }
}

/// A submission; times are relative to the start of the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// Steps in it.
    pub steps: usize,
    /// On the host: recording started, recording ended, submitted, finished.
    pub host: [f64; 4],
    /// Start and end of each timed dispatch, step by step.
    pub dispatches: Vec<[f64; 2]>,
}

impl Profile {
    /// An empty profile.
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

    /// Saves the profile for [`Self::load`], without a comparison.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = self.json().to_string();
        text.push('\n');
        std::fs::write(path, text).map_err(|error| Error::io("write", path, &error))
    }

    /// Loads a file written by [`Self::save`].
    ///
    /// # Errors
    /// If it cannot be read, or is not a profile of this format.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
        let refuse = |what: String| {
            let advice = "use a file that this version wrote with `shadegrad profile --save`";
            Error::new(Kind::Io, format!("{} is not a saved profile: {what}", path.display()), advice)
        };
        let profile: Self = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if profile.format != FORMAT {
            return Err(refuse(format!("its format is {}, expected {FORMAT}", profile.format)));
        }
        Ok(profile)
    }

    /// The profile as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Rows that appear faster than the device allows.
    pub fn above_roof(&self) -> impl Iterator<Item = &DispatchRow> {
        self.rows.iter().filter(|row| row.is_above_roof())
    }
}
