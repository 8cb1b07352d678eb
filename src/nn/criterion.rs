//! An objective with what may be set about it.

use super::Objective;
use crate::error::{Error, Kind, Result};
use crate::graph::{Graph, Value};
use crate::ops::loss::softmax_cross_entropy_weighted::SoftmaxCrossEntropyWeightedOp;
use std::fmt;
use std::str::FromStr;

/// How much each class counts in the loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// All alike.
    #[default]
    Equal,
    /// By how rare each is among the training labels: with N labels, N_c of them of class c and C classes,
    /// N / (C N_c), so that the mean over all labels is 1. King and Zeng, "Logistic Regression in Rare Events Data",
    /// Political Analysis 9, 2001, section 4.2.
    Balanced,
    /// These.
    Given(Vec<f32>),
}

/// What training makes small: a loss, and what may be set about cross-entropy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Criterion {
    /// The loss.
    pub objective: Objective,
    /// What of each label is spread evenly over all classes, from 0 to below 1.
    pub label_smoothing: f32,
    /// How much each class counts.
    pub class_weights: ClassWeights,
}

impl Criterion {
    /// Checks each setting.
    ///
    /// # Errors
    /// Where one is out of range, or the loss knows none of it.
    pub fn validate(&self) -> Result<()> {
        let usage = |cause: String, advice: &str| Err(Error::new(Kind::Usage, cause, advice));
        if !(0.0..1.0).contains(&self.label_smoothing) {
            let cause = format!("a label smoothing of {}", self.label_smoothing);
            return usage(cause, "give a number from 0 to below 1, such as --label-smoothing 0.1");
        }
        if let ClassWeights::Given(weights) = &self.class_weights {
            let sound = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
            if !(sound && weights.iter().any(|weight| *weight > 0.0)) {
                let cause = format!("class weights of {weights:?}");
                return usage(cause, "give a number of 0 or more for each class, not all 0");
            }
        }
        if self.objective != Objective::CrossEntropy && self.is_weighted() {
            return usage(
                format!("label smoothing or class weights with the loss {}", self.objective),
                "they belong to --loss cross-entropy: leave them out, or choose it",
            );
        }
        Ok(())
    }

    /// Whether the plain cross-entropy will not do.
    fn is_weighted(&self) -> bool {
        self.label_smoothing > 0.0 || self.class_weights != ClassWeights::Equal
    }

    /// Checks that the mean loss of a batch is the mean over those of its parts, weighted by their rows.
    ///
    /// # Errors
    /// Where classes count differently, for then a part weighs by its classes.
    pub(super) fn can_be_divided(&self) -> Result<()> {
        if self.class_weights == ClassWeights::Equal {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            "micro-batches with class weights: how much each counts would depend on its labels",
            "leave out --micro-batch, or let all classes count alike",
        ))
    }

    /// Checks that it is for so many classes.
    ///
    /// # Errors
    /// Where there are given weights for another number of them.
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

    /// The weight of each of `classes` classes, where the loss takes weights. Balanced ones are settled before.
    ///
    /// # Errors
    /// Those of [`Self::check_classes`].
    pub fn weights(&self, classes: usize) -> Result<Option<Vec<f32>>> {
        self.check_classes(classes)?;
        Ok(match &self.class_weights {
            _ if !self.is_weighted() => None,
            ClassWeights::Given(weights) => Some(weights.clone()),
            ClassWeights::Equal | ClassWeights::Balanced => Some(vec![1.0; classes]),
        })
    }

    /// The same with balanced weights made numbers by the training labels, each below `classes`. A class without labels
    /// gets weight 0.
    #[must_use]
    pub fn settled(mut self, labels: &[u8], classes: usize) -> Self {
        if self.class_weights == ClassWeights::Balanced {
            let mut counts = vec![0usize; classes];
            for &label in labels {
                counts[usize::from(label)] += 1;
            }
            let weight = |&count: &usize| match count {
                0 => 0.0,
                count => (labels.len() as f64 / (classes * count) as f64) as f32,
            };
            self.class_weights = ClassWeights::Given(counts.iter().map(weight).collect());
        }
        self
    }

    /// The loss of each row of `logits [m, n]` for `labels [m]`; `weights [n]` are [`Self::weights`].
    ///
    /// # Errors
    /// Where the shapes do not go together.
    pub fn losses(
        &self,
        graph: &mut Graph,
        [logits, labels, counters]: [Value; 3],
        weights: Option<Value>,
    ) -> Result<Value> {
        match weights {
            None => self.objective.losses(graph, logits, labels, counters),
            Some(weights) => {
                let op = SoftmaxCrossEntropyWeightedOp { smoothing: self.label_smoothing };
                graph.apply(op, &[logits, labels, counters, weights])
            }
        }
    }
}

impl FromStr for ClassWeights {
    type Err = Error;

    /// `equal`, `balanced`, or a number for each class, such as `1,2,0.5`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "equal" => Ok(Self::Equal),
            "balanced" => Ok(Self::Balanced),
            numbers => {
                let numbers = numbers.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>();
                numbers.map(Self::Given).ok_or_else(|| {
                    let advice = "give equal, balanced, or a number for each class, such as 1,1,2";
                    Error::new(Kind::Usage, format!("no class weights `{text}`"), advice)
                })
            }
        }
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.write_str("equal"),
            Self::Balanced => f.write_str("balanced"),
            Self::Given(weights) => {
                let weights: Vec<_> = weights.iter().map(f32::to_string).collect();
                f.write_str(&weights.join(","))
            }
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objective.fmt(f)?;
        if self.label_smoothing > 0.0 {
            write!(f, ", labels smoothed by {}", self.label_smoothing)?;
        }
        match &self.class_weights {
            ClassWeights::Equal => Ok(()),
            weights => write!(f, ", class weights {weights}"),
        }
    }
}
