//! A loss with its settings.

use super::class_weights::ClassWeights;
use super::cross_entropy::CrossEntropy;
use super::definition::Loss;
use crate::error::{Error, Kind, Result};
use std::fmt;

/// A loss function with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct LossConfig {
    /// The loss.
    pub loss: &'static dyn Loss,
    /// Label smoothing, 0 to <1.
    pub label_smoothing: f32,
    /// The class weights.
    pub class_weights: ClassWeights,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { loss: &CrossEntropy, label_smoothing: 0.0, class_weights: ClassWeights::Equal }
    }
}

impl LossConfig {
    /// Checks each setting.
    ///
    /// # Errors
    /// If a setting is out of range, or not supported by the loss.
    pub fn validate(&self) -> Result<()> {
        let usage = |cause: String, advice: &str| Err(Error::new(Kind::Usage, cause, advice));
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let cause = format!("label smoothing {} is out of range", self.label_smoothing);
            return usage(cause, "use a number from 0 to below 1, such as --label-smoothing 0.1");
        }
        if let ClassWeights::Given(weights) = &self.class_weights {
            let sound = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
            if !(sound && weights.iter().any(|weight| *weight > 0.0)) {
                let cause = format!("class weights of {weights:?}");
                return usage(cause, "give a number of 0 or more for each class, not all 0");
            }
        }
        if self.is_weighted() && !self.loss.is_weighted() {
            return usage(
                format!("label smoothing or class weights with the loss {}", self.loss),
                "they belong to --loss cross-entropy: leave them out, or choose it",
            );
        }
        Ok(())
    }

    /// Whether the weighted cross-entropy is needed.
    fn is_weighted(&self) -> bool {
        self.label_smoothing > 0.0 || self.class_weights != ClassWeights::Equal
    }

    /// Checks that the mean loss of a batch is the mean over its parts, weighted by their rows.
    ///
    /// # Errors
    /// If classes have different weights, since the weight of a part then depends on its labels.
    pub fn can_be_divided(&self) -> Result<()> {
        if self.class_weights == ClassWeights::Equal {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            "micro-batches with class weights: how much each counts would depend on its labels",
            "leave out --micro-batch, or let all classes count alike",
        ))
    }

    /// Checks the number of class weights.
    ///
    /// # Errors
    /// If class weights are given for a different number of classes.
    pub fn check_classes(&self, classes: usize) -> Result<()> {
        match &self.class_weights {
            ClassWeights::Given(weights) if weights.len() != classes => Err(Error::new(
                Kind::Usage,
                format!("{} class weights, but the data have {classes} classes", weights.len()),
                "give one for each class",
            )),
            _ => Ok(()),
        }
    }

    /// The weight of each of `classes` classes, if the loss uses weights. Balanced ones must be resolved before.
    ///
    /// # Errors
    /// As for [`Self::check_classes`].
    pub fn weights(&self, classes: usize) -> Result<Option<Vec<f32>>> {
        self.check_classes(classes)?;
        Ok(match &self.class_weights {
            _ if !self.is_weighted() => None,
            ClassWeights::Given(weights) => Some(weights.clone()),
            ClassWeights::Equal | ClassWeights::Balanced => Some(vec![1.0; classes]),
        })
    }

    /// The same with balanced weights computed from how often each class occurs among the training labels. A class
    /// without labels gets weight 0.
    #[must_use]
    pub fn settled(mut self, counts: &[usize]) -> Self {
        if self.class_weights == ClassWeights::Balanced {
            let labels: usize = counts.iter().sum();
            let weight = |&count: &usize| match count {
                0 => 0.0,
                count => (labels as f64 / (counts.len() * count) as f64) as f32,
            };
            self.class_weights = ClassWeights::Given(counts.iter().map(weight).collect());
        }
        self
    }
}

impl fmt::Display for LossConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.loss)?;
        if self.label_smoothing > 0.0 {
            write!(f, ", labels smoothed by {}", self.label_smoothing)?;
        }
        match &self.class_weights {
            ClassWeights::Equal => Ok(()),
            weights => write!(f, ", class weights {weights}"),
        }
    }
}
