//! Counter-based random numbers, identical on host and device (`shaders/lib/random.wgsl`).
//!
//! A number depends only on (seed, stream, counter), not on how many were drawn before or by which thread: the GPU can
//! draw number 1,000,000 first and still match the host bit for bit.

/// Streams separate the uses of a seed: two uses must not share numbers.
pub mod stream {
    crate::shared! {
        /// The streams that shaders draw from, in WGSL.
        pub WGSL:
        /// Row order of an epoch.
        pub PERMUTATION: u32 = 1;
        /// Dropout masks; layer `i` uses `DROPOUT + i`.
        pub DROPOUT: u32 = 0x2000_0000;
        /// Augmentation: where each item is moved to.
        pub AUGMENT_MOVES: u32 = 0x3000_0000;
        /// Augmentation: shear, flips, and whether part of an item is erased.
        pub AUGMENT_CHOICES: u32 = 0x3000_0001;
        /// Augmentation: the rectangle erased from each item.
        pub AUGMENT_ERASURES: u32 = 0x3000_0002;
        /// Augmentation: noise.
        pub AUGMENT_NOISE: u32 = 0x3000_0003;
    }
    /// Selection of training items if their number is limited.
    pub const TRAIN_LIMIT: u32 = 2;
    /// Selection of test items if their number is limited.
    pub const TEST_LIMIT: u32 = 3;
    /// Training items held out for validation.
    pub const VALIDATION: u32 = 4;
    /// Initial weights; parameter tensor `i` uses `WEIGHTS + i`.
    pub const WEIGHTS: u32 = 0x1000;
    /// Hyperparameters of a search; trial `i` uses `TUNE + i`.
    pub const TUNE: u32 = 0x1000_0000;
    /// The embedded data set; item `i` uses `EMBEDDED + i`.
    pub const EMBEDDED: u32 = 0x4000_0000;
    /// Shapes of test cases.
    pub const SHAPES: u32 = 0x7000_0000;
    /// Inputs of test cases; case `i` uses `CASES + i`.
    pub const CASES: u32 = 0x8000_0000;
}

/// Hashes four words to four well-mixed words: `pcg4d` from Jarzynski and Olano, "Hash Functions for GPU Rendering",
/// Journal of Computer Graphics Techniques 9(3), 2020.
pub fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let mut v = v.map(|x| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    v = v.map(|x| x ^ (x >> 16));
    mix(&mut v);
    v
}

/// Splits a 64-bit seed into the words that shaders use: low, high.
pub fn seed_words(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// The place of `index < n` under epoch `epoch`'s pseudo-random permutation of `0..n`.
///
/// A six-round Feistel network over the next even power of two, cycle-walked until the result is below `n` (Black and
/// Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002, section 4).
pub fn permute(seed: [u32; 2], epoch: u32, index: u32, n: u32) -> u32 {
    let keys = pcg4d([seed[0], seed[1], epoch, stream::PERMUTATION]);
    // Half the bits of n - 1, rounded up, so that two halves cover 0..n.
    let half = (33 - n.saturating_sub(1).leading_zeros()) / 2;
    let mask = (1u32 << half) - 1;
    let mut x = index;
    loop {
        let mut left = x >> half;
        let mut right = x & mask;
        for round in 0..6 {
            let mixed = pcg4d([right, keys[round % 4], round as u32, 0])[0];
            (left, right) = (right, left ^ (mixed & mask));
        }
        x = (left << half) | right;
        if x < n {
            return x;
        }
    }
}

/// Four random words for one step of `stream`, numbered by `block`.
pub fn step_words(seed: [u32; 2], stream: u32, step: u32, block: u32) -> [u32; 4] {
    let keys = pcg4d([seed[0], seed[1], stream, step]);
    pcg4d([keys[0], keys[1], keys[2], block])
}

/// A sequence of random numbers from one stream of a seed.
#[derive(Clone, Debug)]
pub struct Random {
    seed: [u32; 2],
    stream: u32,
    counter: u32,
    block: [u32; 4],
    used: usize,
}

impl Random {
    /// The start of `stream` for `seed`.
    pub fn new(seed: u64, stream: u32) -> Self {
        Self { seed: seed_words(seed), stream, counter: 0, block: [0; 4], used: 4 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.block = pcg4d([self.seed[0], self.seed[1], self.stream, self.counter]);
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in [0, 1), in steps of 2^-24: exact in f32.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [low, high); `low` if they are equal.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        // Values just below `high` may round up to it.
        (low + (high - low) * self.uniform()).min(high.next_down()).max(low)
    }

    /// Uniform in 0..n, for `n > 0`, by algorithm 5 of Lemire, "Fast Random Integer Generation in an Interval", ACM
    /// TOMACS 29(1), 2019.
    pub fn below(&mut self, n: u32) -> u32 {
        let mut wide = u64::from(self.bits()) * u64::from(n);
        let threshold = n.wrapping_neg() % n;
        while (wide as u32) < threshold {
            wide = u64::from(self.bits()) * u64::from(n);
        }
        (wide >> 32) as u32
    }

    /// Standard normal, by the Box-Muller transform ("A Note on the Generation of Random Normal Deviates", 1958) in
    /// f64.
    pub fn normal(&mut self) -> f64 {
        // 1 - u is in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
        radius * (std::f64::consts::TAU * f64::from(self.uniform())).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_visits_every_row_once_and_differs_between_epochs() {
        for n in [1u32, 2, 3, 4, 5, 63, 64, 65, 1000, 4097] {
            let mut seen = vec![false; n as usize];
            for i in 0..n {
                let row = permute([7, 9], 3, i, n) as usize;
                assert!(!seen[row], "row {row} of {n} twice");
                seen[row] = true;
            }
        }
        let order = |seed, epoch| (0..1000).map(|i| permute([seed, 0], epoch, i, 1000)).collect::<Vec<_>>();
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
        let fixed = order(1, 0).iter().enumerate().filter(|&(i, &row)| i as u32 == row).count();
        assert!(fixed < 10, "{fixed} of 1000 rows are fixed points; about one is expected");
    }

    #[test]
    fn numbers_have_the_moments_of_their_distributions() {
        let mut random = Random::new(42, 5);
        let n = 100_000;
        let uniform: Vec<f64> = (0..n).map(|_| f64::from(random.uniform())).collect();
        let normal: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
        let variance = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>() / n as f64 - mean(x).powi(2);
        // Five standard errors of each estimate.
        assert!((mean(&uniform) - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt());
        assert!(mean(&normal).abs() < 5.0 / (n as f64).sqrt());
        assert!((variance(&normal) - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[random.below(7) as usize] += 1);
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
    }
}
