//! Initial weights.

use crate::random::{Random, stream};

/// Normal numbers with variance 2 / fan_in, which keeps the scale of activations through layers of ReLU: He, Zhang, Ren
/// and Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10. `tensor` numbers the model's tensors, so that no two of
/// them draw the same numbers.
pub fn he_normal(seed: u64, tensor: usize, fan_in: usize, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed, stream::WEIGHTS + tensor as u32);
    let deviation = (2.0 / fan_in as f64).sqrt();
    (0..count).map(|_| (deviation * random.normal()) as f32).collect()
}
