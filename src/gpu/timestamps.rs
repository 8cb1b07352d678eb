//! Runs a section and waits for it, timed by the host and device clocks.
//!
//! WebGPU takes timestamps only at the start and end of compute passes, so each timed unit is a pass of its own.

use super::device::Gpu;
use super::executor::{GpuExecutor, Ready, map};
use crate::error::Result;
use std::fmt;
use std::time::Instant;

/// Maximum number of timestamps in a query set.
const SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;

/// Where timestamps are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// None: the run is as in training.
    None,
    /// Before and after the whole run.
    Ends,
    /// Before and after each dispatch.
    Each,
}

/// Why a device's timestamps are unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFlaw {
    /// Not supported, or not requested.
    Missing,
    /// Some are zero, or all are equal.
    Zero,
    /// Out of order.
    Unordered,
    /// Longer than the elapsed host time.
    TooLong,
}

impl fmt::Display for ClockFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the device has no timestamps",
            Self::Zero => "the device's timestamps do not advance",
            Self::Unordered => "the device's timestamps are out of order",
            Self::TooLong => "the device's timestamps exceed the elapsed time",
        })
    }
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct TimedDispatches {
    /// When recording started.
    pub begun: Instant,
    /// When recording ended.
    pub recorded: Instant,
    /// When the driver had accepted the submission.
    pub submitted: Instant,
    /// When the host saw it finish.
    pub ended: Instant,
    /// Start and end of each timed unit, in nanoseconds of the device clock.
    pub spans: Result<Vec<[u64; 2]>, ClockFlaw>,
}

/// Converts pairs of ticks of `period` nanoseconds into start and end times in nanoseconds.
///
/// # Errors
/// If they are unusable, or exceed `passed` nanoseconds.
pub fn spans(ticks: &[u64], period: f32, passed: u128) -> Result<Vec<[u64; 2]>, ClockFlaw> {
    let (Some(first), Some(last), true) = (ticks.first(), ticks.last(), period.is_finite() && period > 0.0) else {
        return Err(ClockFlaw::Missing);
    };
    if ticks.contains(&0) || ticks.iter().all(|tick| tick == first) {
        return Err(ClockFlaw::Zero);
    }
    if !ticks.is_sorted() {
        return Err(ClockFlaw::Unordered);
    }
    // Ticks may count from 1970, beyond an f64's nanosecond precision.
    let scale = (f64::from(period) * f64::from(u32::MAX) + f64::from(period)) as u128;
    let nanoseconds = |tick: u64| ((u128::from(tick) * scale) >> 32) as u64;
    if u128::from(nanoseconds(last - first)) > passed {
        return Err(ClockFlaw::TooLong);
    }
    Ok(ticks.chunks_exact(2).map(|pair| [nanoseconds(pair[0]), nanoseconds(pair[1])]).collect())
}

impl GpuExecutor {
    /// Runs `section` `times` times in one submission and waits for it.
    ///
    /// # Errors
    /// If the plan has no such section, or the device has failed.
    pub async fn run_timed(&mut self, section: &str, times: u32, stamps: Stamps) -> Result<TimedDispatches> {
        let (gpu, doing) = (self.gpu().clone(), format!("timing `{section}`"));
        let begun = Instant::now();
        let dispatches = self.dispatches(section)?;
        let all: Vec<_> = (0..times).flat_map(|_| dispatches).collect();
        let passes: Vec<&[&Ready]> = if stamps == Stamps::Each { all.chunks(1).collect() } else { vec![&all] };
        let stamped = stamps != Stamps::None && !all.is_empty() && gpu.has_timestamps();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let sets = Sets::new(&gpu, if stamped { 2 * passes.len() } else { 0 });
        for (number, dispatches) in passes.into_iter().enumerate() {
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: sets.around(number) };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            dispatches.iter().for_each(|ready| ready.record(&mut pass));
        }
        let staging = sets.resolve(&gpu, &mut encoder);
        let commands = encoder.finish();
        let recorded = Instant::now();
        let submission = gpu.submit(Some(commands));
        let submitted = Instant::now();
        gpu.wait(submission.clone(), &doing)?;
        let ended = Instant::now();
        let ticks = match staging {
            Some(staging) => bytemuck::pod_collect_to_vec(&map(gpu.clone(), staging, submission, doing).await?),
            None => Vec::new(),
        };
        let spans = spans(&ticks, gpu.queue.get_timestamp_period(), (ended - begun).as_nanos());
        Ok(TimedDispatches { begun, recorded, submitted, ended, spans })
    }

    /// Runs `section` `times` times, waiting for each dispatch in its own submission, for devices without timestamps.
    /// Times are relative to the start and include the submission.
    ///
    /// # Errors
    /// If the plan has no such section, or the device has failed.
    pub async fn run_apart(&mut self, section: &str, times: u32) -> Result<TimedDispatches> {
        let (gpu, doing) = (self.gpu().clone(), format!("timing `{section}`"));
        let begun = Instant::now();
        let dispatches = self.dispatches(section)?;
        let mut spans = Vec::new();
        for ready in (0..times).flat_map(|_| dispatches) {
            let from = begun.elapsed().as_nanos() as u64;
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            ready.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
            gpu.wait(gpu.submit(Some(encoder.finish())), &doing)?;
            spans.push([from, begun.elapsed().as_nanos() as u64]);
        }
        Ok(TimedDispatches { begun, recorded: begun, submitted: begun, ended: Instant::now(), spans: Ok(spans) })
    }
}

/// Query sets for a number of timestamps.
struct Sets {
    sets: Vec<wgpu::QuerySet>,
    stamps: usize,
}

impl Sets {
    fn new(gpu: &Gpu, stamps: usize) -> Self {
        let set = |first: usize| {
            let count = SET.min(stamps - first) as u32;
            let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count };
            gpu.device.create_query_set(&descriptor)
        };
        Self { sets: (0..stamps).step_by(SET).map(set).collect(), stamps }
    }

    /// The timestamp writes of a pass.
    fn around(&self, pass: usize) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let first = (2 * pass % SET) as u32;
        self.sets.get(2 * pass / SET).map(|query_set| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Resolves all timestamps into a mappable buffer.
    fn resolve(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder) -> Option<wgpu::Buffer> {
        let bytes = 8 * self.stamps as u64;
        let buffer = |usage| gpu.buffer("stamps", bytes, usage | wgpu::BufferUsages::COPY_DST);
        if self.sets.is_empty() {
            return None;
        }
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
        let staging = buffer(wgpu::BufferUsages::MAP_READ);
        for (set, first) in self.sets.iter().zip((0..self.stamps).step_by(SET)) {
            encoder.resolve_query_set(set, 0..SET.min(self.stamps - first) as u32, &resolved, 8 * first as u64);
        }
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        Some(staging)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_in_order_are_times_in_nanoseconds() {
        assert_eq!(spans(&[10, 14, 14, 20], 2.5, 25), Ok(vec![[25, 35], [35, 50]]));
        let since_1970 = 1_800_000_000_000_000_001;
        assert_eq!(spans(&[since_1970, since_1970 + 1], 1.0, 1), Ok(vec![[since_1970, since_1970 + 1]]));
    }

    #[test]
    fn stamps_that_tell_no_times_are_refused() {
        assert_eq!(spans(&[], 1.0, 100), Err(ClockFlaw::Missing));
        assert_eq!(spans(&[1, 2], 0.0, 100), Err(ClockFlaw::Missing));
        assert_eq!(spans(&[1, 2], f32::NAN, 100), Err(ClockFlaw::Missing));
        assert_eq!(spans(&[0, 2, 3, 4], 1.0, 100), Err(ClockFlaw::Zero));
        assert_eq!(spans(&[1, 2, 0, 0], 1.0, 100), Err(ClockFlaw::Zero));
        assert_eq!(spans(&[7, 7, 7, 7], 1.0, 100), Err(ClockFlaw::Zero));
        assert_eq!(spans(&[1, 3, 2, 4], 1.0, 100), Err(ClockFlaw::Unordered));
        assert_eq!(spans(&[1, 2, 3, 200], 1.0, 100), Err(ClockFlaw::TooLong));
    }
}
