//! A quick model: softmax regression on raw pixels, good enough to find suspicious labels.

use super::labeled::Labeled;
use crate::random::{permute, seed_words};
use rayon::prelude::*;

/// Passes over the images.
const EPOCHS: u32 = 4;

/// Fraction of the longest step that cannot overshoot.
const CAUTION: f32 = 0.25;

/// Seed of the image order.
const SEED: u64 = 1;

/// z = x W + b, p = softmax(z).
pub(super) struct Regression {
    /// `[pixels, classes]`.
    weights: Vec<f32>,
    /// `[classes]`.
    bias: Vec<f32>,
}

impl Regression {
    /// Trains on the images with these indices by stochastic gradient descent on the cross-entropy, one at a time: the
    /// gradient is x (p - y)^T. Its curvature along x is at most |x|^2 / 2 (Böhning, "Multinomial Logistic Regression
    /// Algorithm", 1992), which bounds the step. Only pixels with ink contribute, about a fifth in digits.
    pub(super) fn fit(set: &Labeled<'_>, indices: &[usize]) -> Self {
        let weights = vec![0.0; set.images.size() * set.classes];
        let mut model = Self { weights, bias: vec![0.0; set.classes] };
        let count = indices.len() as u32;
        for epoch in 0..EPOCHS {
            for i in 0..count {
                let index = indices[permute(seed_words(SEED), epoch, i, count) as usize];
                model.learn(set.images.image(index), set.labels[index]);
            }
        }
        model
    }

    fn learn(&mut self, image: &[u8], label: usize) {
        let mut gradient = self.probabilities(image);
        gradient[label] -= 1.0;
        let square: f32 = ink(image).map(|(_, x)| x * x).sum::<f32>() + 1.0;
        let step: Vec<f32> = gradient.iter().map(|g| CAUTION * 2.0 / square * g).collect();
        for (pixel, x) in ink(image) {
            let weights = &mut self.weights[pixel * step.len()..][..step.len()];
            weights.iter_mut().zip(&step).for_each(|(w, s)| *w -= x * s);
        }
        self.bias.iter_mut().zip(&step).for_each(|(b, s)| *b -= s);
    }

    /// Class probabilities of an image.
    pub(super) fn probabilities(&self, image: &[u8]) -> Vec<f32> {
        let mut z = self.bias.clone();
        for (pixel, x) in ink(image) {
            z.iter_mut().zip(&self.weights[pixel * self.bias.len()..]).for_each(|(z, w)| *z += x * w);
        }
        let largest = z.iter().fold(f32::MIN, |a, &b| a.max(b));
        z.iter_mut().for_each(|z| *z = (*z - largest).exp());
        let sum: f32 = z.iter().sum();
        z.iter_mut().for_each(|power| *power /= sum);
        z
    }
}

/// The pixels with ink, with values from 0 to 1.
fn ink(image: &[u8]) -> impl Iterator<Item = (usize, f32)> {
    image.iter().enumerate().filter(|(_, byte)| **byte > 0).map(|(pixel, &byte)| (pixel, f32::from(byte) / 255.0))
}

/// Class probabilities of each image of `set`, from models not trained on it: one is trained on images with even index
/// and judges the others, one the other way round.
pub(super) fn unseen_probabilities(set: &Labeled<'_>) -> Vec<Vec<f32>> {
    let halves: [Vec<usize>; 2] = [0, 1].map(|first| (first..set.len()).step_by(2).collect());
    let models: Vec<Regression> = halves.par_iter().map(|half| Regression::fit(set, half)).collect();
    (0..set.len()).into_par_iter().map(|i| models[(i + 1) % 2].probabilities(set.images.image(i))).collect()
}
