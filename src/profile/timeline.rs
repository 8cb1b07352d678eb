//! Timeline of host and device.

use super::report::{Clock, Submit};
use crate::gpu::TimedDispatches;
use std::time::Instant;

/// Submissions in order, each in its own clock's time.
pub(super) struct Timeline {
    origin: Instant,
    submits: Vec<Entry>,
}

struct Entry {
    steps: usize,
    /// Host nanoseconds: recording started, recorded, submitted, finished.
    host: [i128; 4],
    /// Device nanoseconds, or nanoseconds from the start of this submission.
    spans: Vec<[u64; 2]>,
}

impl Timeline {
    /// An empty timeline starting at `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, submits: Vec::new() }
    }

    /// Adds a submission of `steps` steps with its dispatch spans, if timed.
    pub(super) fn add(&mut self, steps: usize, timed: &TimedDispatches, spans: Vec<[u64; 2]>) {
        let since = |moment: Instant| moment.saturating_duration_since(self.origin).as_nanos() as i128;
        let host = [timed.begun, timed.recorded, timed.submitted, timed.ended].map(since);
        self.submits.push(Entry { steps, host, spans });
    }

    /// All submissions in host time, and the uncertainty of device times in microseconds.
    ///
    /// The offset between the clocks is unknown, but a run cannot start before it is recorded or end after the host
    /// sees it finish. All submissions together bound the offset tightly; the midpoint is used.
    pub(super) fn finish(self, clock: &Clock) -> (Vec<Submit>, f64) {
        let (mut least, mut most) = (i128::MIN, i128::MAX);
        for Entry { host: [_, recorded, _, ended], spans, .. } in &self.submits {
            if let (Some([first, _]), Some([_, last])) = (spans.first(), spans.last()) {
                least = least.max(recorded - i128::from(*first));
                most = most.min(ended - i128::from(*last));
            }
        }
        let by_device = *clock == Clock::Device && least != i128::MIN;
        let submit = |Entry { steps, host, spans }: Entry| {
            let offset = if by_device { (least + most) / 2 } else { host[0] };
            let dispatches = spans.iter().map(|span| span.map(|time| microseconds(i128::from(time) + offset)));
            Submit { steps, host: host.map(microseconds), dispatches: dispatches.collect() }
        };
        let apart = if by_device { microseconds((most - least).abs()) / 2.0 } else { 0.0 };
        (self.submits.into_iter().map(submit).collect(), apart)
    }
}

/// Duration in microseconds, to the nanosecond.
pub(super) fn lasts([from, to]: [f64; 2]) -> f64 {
    ((to - from) * 1e3).round() / 1e3
}

fn microseconds(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn timed(origin: Instant, host: [u64; 4]) -> TimedDispatches {
        let [begun, recorded, submitted, ended] = host.map(|time| origin + Duration::from_nanos(time));
        TimedDispatches { begun, recorded, submitted, ended, spans: Ok(Vec::new()) }
    }

    #[test]
    fn the_clocks_are_laid_over_each_other_as_closely_as_all_submits_allow() {
        let origin = Instant::now();
        let mut timeline = Timeline::new(origin);
        // The device clock is 1,000,000 ahead. The first submission starts 2,000 after recording and ends 9,000 before
        // the host notices; the second starts 6,000 after and ends 1,000 before.
        timeline.add(1, &timed(origin, [0, 10_000, 11_000, 41_000]), vec![[1_012_000, 1_032_000]]);
        timeline.add(1, &timed(origin, [50_000, 60_000, 61_000, 87_000]), vec![[1_066_000, 1_086_000]]);
        let (submits, apart) = timeline.finish(&Clock::Device);
        // So the offset is 999,000 to 1,002,000.
        assert_eq!(apart, 1.5);
        assert_eq!(submits[0].dispatches, [[11.5, 31.5]]);
        assert_eq!(submits[1].host, [50.0, 60.0, 61.0, 87.0]);
    }

    #[test]
    fn times_by_the_host_count_from_the_submit_on() {
        let origin = Instant::now();
        let mut timeline = Timeline::new(origin);
        timeline.add(2, &timed(origin, [0, 0, 0, 5_000]), Vec::new());
        timeline.add(1, &timed(origin, [7_000, 7_000, 7_000, 9_000]), vec![[500, 1_500]]);
        let (submits, apart) = timeline.finish(&Clock::Wall { reason: "a test".to_owned() });
        assert_eq!((submits[0].steps, submits[0].dispatches.len(), apart), (2, 0, 0.0));
        assert_eq!(submits[1].dispatches, [[7.5, 8.5]]);
    }
}
