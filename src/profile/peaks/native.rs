//! Peaks of the CPU path, on all cores.

use super::super::report::{Peaks, Rate, Resource, Spread};
use super::words::SIZES;
use crate::kernel::Real;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Duration of a peak's measurement, and the minimum number of repeats.
const PATIENCE: Duration = Duration::from_millis(100);
const REPEATS: usize = 4;
/// Sizes of the square products that measure arithmetic.
const SIDES: [usize; 3] = [256, 512, 1024];
/// Words per task.
const PIECE: usize = 1 << 14;

/// Measures the peaks available to the twins: arithmetic by the gemm crate's products, the fastest arithmetic here;
/// copies and reads of memory. There are no submissions.
pub fn native() -> Peaks {
    let mut peaks = Peaks::default();
    let products = SIDES.map(|side| {
        let (a, mut out) = (vec![1.0f32; side * side], vec![0.0f32; side * side]);
        let work = 2.0 * (side * side * side) as f64;
        rate(Resource::F32, None, work, || f32::matmul([side; 3], [false; 2], &a, &a, black_box(&mut out)))
    });
    peaks.rates.extend(products.into_iter().max_by(|a, b| a.best.total_cmp(&b.best)));
    for size in SIZES {
        let (a, mut out) = (vec![1u32; size], vec![0u32; size]);
        let bytes = 4 * size as u64;
        let copy = || {
            let pieces = out.par_chunks_mut(PIECE).zip(a.par_chunks(PIECE));
            pieces.for_each(|(out, a)| black_box(out).copy_from_slice(a));
        };
        peaks.rates.push(rate(Resource::Copy, Some(2 * bytes), 2.0 * bytes as f64, copy));
        let read = || {
            let sum = |piece: &[u32]| piece.iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
            black_box(a.par_chunks(PIECE).map(sum).reduce(|| 0, u32::wrapping_add));
        };
        peaks.rates.push(rate(Resource::Read, Some(bytes), bytes as f64, read));
    }
    peaks
}

/// Rate of `run`, given the work of one run.
fn rate(resource: Resource, bytes: Option<u64>, work: f64, mut run: impl FnMut()) -> Rate {
    run();
    let (begun, mut rates) = (Instant::now(), Vec::new());
    while rates.len() < REPEATS || begun.elapsed() < PATIENCE {
        let before = Instant::now();
        run();
        rates.push(work / before.elapsed().as_nanos().max(1) as f64);
    }
    let best = rates.iter().copied().fold(0.0, f64::max);
    Rate { resource, bytes, best, spread: Spread::of(&rates) }
}
