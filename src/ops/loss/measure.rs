//! Elementwise loss terms of an output x and its target y.

use crate::kernel::Real;
use crate::ops::support::UNIT;

/// The loss term of an output. A row's loss is the mean over its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// (x - y)^2.
    Squared,
    /// |x - y|, with slope 0 at x = y, as in PyTorch.
    Absolute,
    /// (x - y)^2 / 2 up to |x - y| = delta, beyond it delta (|x - y| - delta / 2).
    Huber,
    /// -y log(s(x)) - (1 - y) log(1 - s(x)) with the sigmoid s(x) = 1 / (1 + exp(-x)), in a form that does not
    /// overflow: max(x, 0) - x y + log(1 + exp(-|x|)). Its slope is s(x) - y.
    BinaryCrossEntropy,
}

impl Measure {
    /// WGSL functions `term` and `slope`.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Squared => include_str!("../../../shaders/lib/loss_squared.wgsl"),
            Self::Absolute => include_str!("../../../shaders/lib/loss_absolute.wgsl"),
            Self::Huber => include_str!("../../../shaders/lib/loss_huber.wgsl"),
            Self::BinaryCrossEntropy => include_str!("../../../shaders/lib/loss_binary_cross_entropy.wgsl"),
        }
    }

    /// An output's contribution to its row's loss, before the mean.
    pub(super) fn term<T: Real>(self, x: T, y: T, delta: T) -> T {
        let half = T::of(0.5);
        match self {
            Self::Squared => (x - y) * (x - y),
            Self::Absolute => (x - y).abs(),
            Self::Huber => {
                let distance = (x - y).abs();
                if distance <= delta { half * distance * distance } else { delta * (distance - half * delta) }
            }
            Self::BinaryCrossEntropy => x.max(T::zero()) - x * y + (T::one() + (-x.abs()).exp()).ln(),
        }
    }

    /// The derivative of [`Self::term`] with respect to x.
    pub(super) fn slope<T: Real>(self, x: T, y: T, delta: T) -> T {
        match self {
            Self::Squared => T::of(2.0) * (x - y),
            Self::Absolute if x == y => T::zero(),
            Self::Absolute => (x - y).signum(),
            Self::Huber => (x - y).max(-delta).min(delta),
            Self::BinaryCrossEntropy => {
                let e = (-x.abs()).exp();
                (if x >= T::zero() { T::one() } else { e }) / (T::one() + e) - y
            }
        }
    }

    /// Error bound of the shader's `term` for the same x. Products and differences cost a unit each. Where Huber's loss
    /// becomes linear, subtracting half of |x - y| doubles its unit. The exponential of -|x| has an error of at most
    /// (4 + 2|x|) exp(-|x|) <= 4 units, the logarithm of a number from 1 to 2 one of 2^-21, which is 4 units (WGSL,
    /// section "Accuracy of concrete floating point expressions").
    pub(super) fn term_error(self, term: f64) -> f64 {
        match self {
            Self::Squared => 4.0 * UNIT * term,
            Self::Absolute => UNIT * term,
            Self::Huber => 5.0 * UNIT * term,
            Self::BinaryCrossEntropy => 10.0 * UNIT + 2.0 * UNIT * term,
        }
    }

    /// Error bound of the shader's `slope` for the same x: the difference is rounded, its sign is exact; 4 units of the
    /// exponential, 1 of the sum, 2.5 of the quotient and 1 of the last difference.
    pub(super) fn slope_error(self, slope: f64) -> f64 {
        match self {
            Self::Squared | Self::Huber => UNIT * slope.abs(),
            Self::Absolute => 0.0,
            Self::BinaryCrossEntropy => 10.0 * UNIT,
        }
    }
}
