//! Which peak bounds a dispatch.

use super::over;
use super::report::{Peaks, Rate, Resource, Roof};
use crate::text;

impl Peaks {
    /// The peak by which a dispatch of this cost takes longest, and what of it is reached in `time` microseconds.
    pub fn roof(&self, flops: u64, bytes: u64, time: f64) -> Option<Roof> {
        let arithmetic = self.arithmetic().map(|rate| (rate.name(), flops as f64 / 1e3 / rate.best));
        let memory = self.memory(bytes).map(|rate| (rate.name(), bytes as f64 / 1e3 / rate.best));
        let dispatch = self.least_dispatch.map(|least| ("dispatch".to_owned(), least));
        let bounds = [arithmetic, memory, dispatch].into_iter().flatten();
        let (name, least) = bounds.max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Roof { name, least, share: over(least, time) })
    }

    /// What the kernels' arithmetic is measured by.
    pub fn arithmetic(&self) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.resource == Resource::F32)
    }

    /// The fastest memory for so many bytes: as measured over that many, or over more.
    pub fn memory(&self, bytes: u64) -> Option<&Rate> {
        let rates = || self.rates.iter().filter(|rate| [Resource::Copy, Resource::Read].contains(&rate.resource));
        // Bytes that lie between two sizes may still fit the cache that the smaller one fitted.
        let smaller = rates().filter_map(|rate| rate.bytes).filter(|size| *size <= bytes).max();
        let at_least = smaller.unwrap_or(0);
        rates().filter(|rate| rate.bytes.unwrap_or(u64::MAX) >= at_least).max_by(|a, b| a.best.total_cmp(&b.best))
    }
}

impl Rate {
    /// What it is a rate of, and over how much memory.
    pub fn name(&self) -> String {
        match self.bytes {
            Some(bytes) => format!("{} {}", self.resource, text::bytes(bytes)),
            None => self.resource.to_string(),
        }
    }

    /// The unit.
    pub fn unit(&self) -> &'static str {
        match self.resource {
            Resource::F32 | Resource::F16 => "GFLOP/s",
            Resource::Copy | Resource::Read | Resource::Workgroup => "GB/s",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Spread;
    use super::*;

    fn peaks() -> Peaks {
        let rate = |resource, bytes, best| Rate { resource, bytes, best, spread: Spread::default() };
        Peaks {
            rates: vec![
                rate(Resource::F32, None, 100.0),
                rate(Resource::F16, None, 200.0),
                rate(Resource::Read, Some(1_000_000), 50.0),
                rate(Resource::Read, Some(100_000_000), 10.0),
                rate(Resource::Copy, Some(200_000_000), 20.0),
                rate(Resource::Workgroup, None, 1000.0),
            ],
            least_dispatch: Some(4.0),
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
        assert!(roof(100_000_000, 1_000, 900.0).share > 1.0, "faster than the peak");
        assert_eq!(Peaks::default().roof(1, 1, 1.0), None);
    }
}
