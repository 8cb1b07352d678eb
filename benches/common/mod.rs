//! Shared code of the benches: device, spread of measurements, and the record.

#![allow(clippy::print_stdout, reason = "benches print tables")]

use shadegrad::error::Result;
use shadegrad::gpu::{Chosen, DeviceChoice, Gpu, choose};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Where to measure.
pub(crate) enum Device {
    /// The CPU path.
    Cpu,
    /// Shaders on an adapter.
    Gpu(Arc<Gpu>),
}

impl Device {
    pub(crate) fn open(choice: &DeviceChoice) -> Result<Self> {
        pollster::block_on(async {
            Ok(match choose(choice).await? {
                Chosen::Native | Chosen::NoGpu(_) => Self::Cpu,
                Chosen::Adapter(adapter) => Self::Gpu(Gpu::open(&adapter).await?),
            })
        })
    }

    /// The record folder of the device.
    fn folder(&self) -> String {
        let Self::Gpu(gpu) = self else { return "cpu".to_owned() };
        let name = gpu.info.name.split('(').next().unwrap_or_default().to_lowercase();
        name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
    }
}

/// Adapter and driver.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "the CPU path"),
            Self::Gpu(gpu) => write!(f, "{}, {} {}", gpu.info.name, gpu.info.driver, gpu.info.driver_info),
        }
    }
}

/// Repeated measurements of a figure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread(pub(crate) Vec<f64>);

impl Spread {
    /// The median, or the mean of the middle two; NaN if empty.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (Some(low), Some(high)) = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2))
        else {
            return f64::NAN;
        };
        (low + high) / 2.0
    }
}

/// The median, and the range.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, most] = [f64::min, f64::max].map(|pick| self.0.iter().copied().reduce(pick).unwrap_or(f64::NAN));
        let places = f.precision().unwrap_or(1);
        write!(f, "{:.places$} ({least:.places$} to {most:.places$})", self.median())
    }
}

/// Prints a table, and appends it to `benches/record/ADAPTER/FILE.md` if `keep` is set. `what` describes the
/// measurement.
pub(crate) fn report(device: &Device, file: &str, what: &str, table: &[String], keep: bool) -> std::io::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let date = time::OffsetDateTime::now_utc().date();
    let version = commit().map_or(String::new(), |commit| format!(" at {commit}"));
    let heading = format!(
        "{date}, shadegrad {}{version}, {device}; {cores} cores, {} {}\n\n{what}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    let text = format!("{heading}\n\n{}\n\n", table.join("\n"));
    print!("\n{text}");
    if !keep {
        return Ok(());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/record").join(device.folder());
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{file}.md"));
    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}

/// The commit of the working tree, if it is a repository.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
