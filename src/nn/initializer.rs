//! Weight initialization.

use super::names::named;
use crate::random::{Random, stream};

/// The initializer of a layer's weights. Biases are initialized to zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Initializer {
    /// Normal with variance 2 / fan_in, which keeps the scale of activations through layers of ReLU: He, Zhang, Ren and
    /// Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10.
    #[default]
    He,
    /// Uniform with the variance of [`Self::He`].
    HeUniform,
    /// Normal with variance 2 / (fan_in + fan_out), for layers of tanh or sigmoid: Glorot and Bengio, "Understanding the
    /// Difficulty of Training Deep Feedforward Neural Networks", AISTATS 2010, eq. 12.
    Xavier,
    /// Uniform with the variance of [`Self::Xavier`]: eq. 16 there.
    XavierUniform,
    /// Normal with variance 1 / fan_in: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, eq. 16.
    Lecun,
    /// Normal with standard deviation 0.02, truncated at two standard deviations: Devlin et al., "BERT", NAACL 2019, as
    /// released.
    TruncatedNormal,
    /// Zero, for layers that should initially have no effect.
    Zeros,
}

/// Initializers by command-line name.
const NAMES: [(&str, Initializer); 7] = [
    ("he", Initializer::He),
    ("he-uniform", Initializer::HeUniform),
    ("xavier", Initializer::Xavier),
    ("xavier-uniform", Initializer::XavierUniform),
    ("lecun", Initializer::Lecun),
    ("truncated-normal", Initializer::TruncatedNormal),
    ("zeros", Initializer::Zeros),
];

named!(Initializer, "initializer", NAMES);

impl Initializer {
    /// The weights `[fan_in, fan_out]` of the model's tensor number `tensor`; each tensor draws different numbers.
    pub fn draw(self, seed: u64, tensor: usize, [fan_in, fan_out]: [usize; 2]) -> Vec<f32> {
        let mut random = Random::new(seed, stream::WEIGHTS + tensor as u32);
        let deviation = self.variance(fan_in as f64, fan_out as f64).sqrt();
        let mut number = || match self {
            Self::Zeros => 0.0,
            // A uniform distribution on -a to a has variance a^2 / 3.
            Self::HeUniform | Self::XavierUniform => {
                (f64::from(random.uniform()) * 2.0 - 1.0) * (3.0f64.sqrt() * deviation)
            }
            Self::TruncatedNormal => loop {
                let normal = random.normal();
                if normal.abs() <= 2.0 {
                    break deviation * normal;
                }
            },
            Self::He | Self::Xavier | Self::Lecun => deviation * random.normal(),
        };
        (0..fan_in * fan_out).map(|_| number() as f32).collect()
    }

    /// The variance of the distribution, before truncation.
    fn variance(self, fan_in: f64, fan_out: f64) -> f64 {
        match self {
            Self::He | Self::HeUniform => 2.0 / fan_in,
            Self::Xavier | Self::XavierUniform => 2.0 / (fan_in + fan_out),
            Self::Lecun => 1.0 / fan_in,
            Self::TruncatedNormal => 0.02 * 0.02,
            Self::Zeros => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_variance_and_the_range_of_their_initializer() {
        for (name, initializer) in NAMES {
            let (fan_in, fan_out) = (200, 300);
            let weights: Vec<f64> = initializer.draw(9, 3, [fan_in, fan_out]).into_iter().map(f64::from).collect();
            let count = weights.len() as f64;
            let mean = weights.iter().sum::<f64>() / count;
            let found = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / count;
            let untruncated = initializer.variance(fan_in as f64, fan_out as f64);
            // Truncated at two standard deviations, a normal keeps 0.7737 of its variance (Johnson, Kotz and
            // Balakrishnan, 1994).
            let expected = if initializer == Initializer::TruncatedNormal { 0.7737 * untruncated } else { untruncated };
            // Five standard errors of a variance and a mean, for distributions with at most normal kurtosis.
            assert!((found - expected).abs() <= 5.0 * expected * (2.0 / count).sqrt(), "{name}: {found}, {expected}");
            assert!(mean.abs() <= 5.0 * (untruncated / count).sqrt(), "{name}: mean {mean}");
            let largest = weights.iter().fold(0.0f64, |most, w| most.max(w.abs())) / untruncated.sqrt();
            match initializer {
                Initializer::HeUniform | Initializer::XavierUniform => assert!(largest < 1.7321 && largest > 1.73),
                Initializer::TruncatedNormal => assert!(largest <= 2.0 + 1e-6 && largest > 1.99, "{largest}"),
                Initializer::Zeros => assert!(weights.iter().all(|w| *w == 0.0)),
                _ => assert!(largest > 3.5, "{largest}"),
            }
            assert_eq!(initializer.to_string().parse(), Ok(initializer));
        }
    }

    #[test]
    fn seeds_and_tensors_draw_different_weights() {
        let draw = |seed, tensor| Initializer::He.draw(seed, tensor, [10, 10]);
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 2));
        assert!("he-normal".parse::<Initializer>().is_err_and(|error| error.exit_code() == 2));
    }
}
