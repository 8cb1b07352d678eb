//! Which peak bounds a dispatch, and when a measurement exceeds it.
//!
//! A peak is the best of several repeats, all of which other load on the machine may have slowed. Their spread
//! estimates by how much: a dispatch may exceed a peak by the ratio of the best repeat to the median; anything above is
//! a measurement error.

use super::over;
use super::report::{Peaks, Rate, Resource, Roof};
use crate::text;

impl Peaks {
    /// The peak with the longest minimum time for this cost, and the fraction of it reached in `time` microseconds.
    pub fn roof(&self, flops: u64, bytes: u64, time: f64) -> Option<Roof> {
        let roof = |name, least, best_over_median: f64| {
            let most = best_over_median.max(1.0);
            Roof { name, least, share: over(least, time), most }
        };
        let of_rate = |rate: &Rate, work: u64| {
            roof(rate.name(), work as f64 / 1e3 / rate.best, over(rate.best, rate.spread.median))
        };
        let arithmetic = self.arithmetic().map(|rate| of_rate(rate, flops));
        let memory = self.memory(bytes).map(|rate| of_rate(rate, bytes));
        let dispatch = self.least_dispatch.as_ref();
        let dispatch = dispatch.map(|time| roof("dispatch".to_owned(), time.best, over(time.spread.median, time.best)));
        [arithmetic, memory, dispatch].into_iter().flatten().max_by(|a, b| a.least.total_cmp(&b.least))
    }

    /// The arithmetic peak kernels are compared with.
    pub fn arithmetic(&self) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.resource == Resource::F32)
    }

    /// The fastest memory for a footprint of `bytes`: measured at that size or larger.
    pub fn memory(&self, bytes: u64) -> Option<&Rate> {
        let rates = || self.rates.iter().filter(|rate| [Resource::Copy, Resource::Read].contains(&rate.resource));
        // A footprint between two sizes may still fit the smaller one's cache.
        let smaller = rates().filter_map(|rate| rate.bytes).filter(|size| *size <= bytes).max();
        let at_least = smaller.unwrap_or(0);
        rates().filter(|rate| rate.bytes.unwrap_or(u64::MAX) >= at_least).max_by(|a, b| a.best.total_cmp(&b.best))
    }
}

impl Rate {
    /// Resource and memory footprint.
    pub fn name(&self) -> String {
        match self.bytes {
            Some(bytes) => format!("{} {}", self.resource, text::bytes(bytes)),
            None => self.resource.to_string(),
        }
    }

    /// Unit of the rate.
    pub fn unit(&self) -> &'static str {
        match self.resource {
            Resource::F32 | Resource::F16 => "GFLOP/s",
            Resource::Copy | Resource::Read | Resource::Workgroup => "GB/s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Least, Spread};
    use super::*;

    fn peaks() -> Peaks {
        let rate = |resource, bytes, best: f64| Rate { resource, bytes, best, spread: Spread::of(&[best / 1.25]) };
        Peaks {
            rates: vec![
                rate(Resource::F32, None, 100.0),
                rate(Resource::F16, None, 200.0),
                rate(Resource::Read, Some(1_000_000), 50.0),
                rate(Resource::Read, Some(100_000_000), 10.0),
                rate(Resource::Copy, Some(200_000_000), 20.0),
                rate(Resource::Workgroup, None, 1000.0),
            ],
            least_dispatch: Least::of(&[6.0, 4.0, 5.0]),
            ..Peaks::default()
        }
    }

    #[test]
    fn the_roof_is_the_peak_by_which_a_dispatch_takes_longest() {
        let roof = |flops, bytes, time| peaks().roof(flops, bytes, time).expect("there are peaks");
        let arithmetic = roof(100_000_000, 1_000, 2000.0);
        assert_eq!((arithmetic.name.as_str(), arithmetic.least, arithmetic.share), ("f32", 1000.0, 0.5));
        let cached = roof(1_000, 5_000_000, 400.0);
        assert_eq!((cached.name.as_str(), cached.least, cached.share), ("read 1.0 MB", 100.0, 0.25));
        let memory = roof(1_000, 150_000_000, 15_000.0);
        assert_eq!((memory.name.as_str(), memory.least, memory.share), ("copy 200.0 MB", 7500.0, 0.5));
        let tiny = roof(10, 1_000, 8.0);
        assert_eq!((tiny.name.as_str(), tiny.least, tiny.share), ("dispatch", 4.0, 0.5));
        assert_eq!(Peaks::default().roof(1, 1, 1.0), None);
    }

    /// In `peaks`, the best of each rate and of the dispatches is 1.25 times the median.
    #[test]
    fn an_error_is_what_exceeds_a_peak_by_more_than_its_best_repeat_exceeds_the_median() {
        let is_above = |flops, time| peaks().roof(flops, 1_000, time).expect("there are peaks").is_exceeded();
        for (flops, least) in [(100_000_000, 1000.0), (10, 4.0)] {
            assert!(!is_above(flops, 1.01 * least), "{least} us: slower than the peak");
            assert!(!is_above(flops, least / 1.24), "{least} us: faster, but within the peak's spread");
            assert!(is_above(flops, least / 1.26), "{least} us: beyond the peak's spread");
        }
        // Identical repeats, or none, leave no margin.
        let mut sharp = peaks();
        sharp.rates.iter_mut().for_each(|rate| rate.spread = Spread::of(&[rate.best]));
        sharp.least_dispatch = Least::of(&[4.0, 4.0]);
        for spread in [Spread::of(&[100.0]), Spread::default()] {
            sharp.rates[0].spread = spread;
            assert!(sharp.roof(100_000_000, 1_000, 999.0).is_some_and(|roof| roof.is_exceeded()), "{spread:?}");
        }
        assert!(sharp.roof(10, 1_000, 3.99).is_some_and(|roof| roof.is_exceeded()));
        assert!(sharp.roof(10, 1_000, 4.0).is_some_and(|roof| !roof.is_exceeded()));
    }
}
