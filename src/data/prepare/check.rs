//! Checks for flaws in a data set: images without content, duplicates, and images that do not match their label.

use super::labeled::Labeled;
use super::regression::{Regression, unseen_probabilities};
use crate::data::Dataset;
use crate::error::{Error, Kind, Result};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

/// Standard deviations from which an image counts as an outlier.
const FAR: f64 = 4.0;

/// A label is doubtful below this probability under the quick model.
const UNLIKELY: f32 = 0.001;

/// A flaw of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// All pixels are paper (0).
    Blank,
    /// All pixels are equal, but not paper.
    Constant,
    /// Byte for byte equal to an earlier image; for a training image, also to a test image.
    Duplicate,
    /// Much farther from its class's mean image than others.
    Outlier,
    /// A quick model not trained on the image finds its label very unlikely.
    Label,
}

impl Flaw {
    /// All flaws, in display order.
    pub const ALL: [Self; 5] = [Self::Blank, Self::Constant, Self::Duplicate, Self::Outlier, Self::Label];
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blank => "blank",
            Self::Constant => "constant",
            Self::Duplicate => "duplicate",
            Self::Outlier => "outlier",
            Self::Label => "label",
        })
    }
}

impl FromStr for Flaw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|flaw| flaw.to_string() == text).ok_or_else(|| {
            let all = Self::ALL.map(|flaw| flaw.to_string()).join(", ");
            let cause = format!("unknown flaw `{text}`, choose from {all}");
            Error::new(Kind::Usage, cause, "leave out or correct that flaw")
        })
    }
}

/// An image far from its class mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Index in its split.
    pub index: usize,
    /// Standard deviations by which its distance exceeds the class's mean distance.
    pub deviations: f64,
}

/// An image whose label the quick model doubts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Index in its split.
    pub index: usize,
    /// The label's probability under the model.
    pub probability: f32,
    /// The predicted class.
    pub guess: usize,
}

/// Findings in a split. Indices ascend, except for outliers and doubts, which are sorted worst first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Images per class.
    pub classes: Vec<usize>,
    /// [`Flaw::Blank`].
    pub blank: Vec<usize>,
    /// [`Flaw::Constant`].
    pub constant: Vec<usize>,
    /// [`Flaw::Duplicate`].
    pub duplicate: Vec<usize>,
    /// [`Flaw::Outlier`].
    pub outliers: Vec<Outlier>,
    /// [`Flaw::Label`].
    pub doubts: Vec<Doubt>,
}

impl Findings {
    /// The images with this flaw.
    pub fn with(&self, flaw: Flaw) -> Vec<usize> {
        match flaw {
            Flaw::Blank => self.blank.clone(),
            Flaw::Constant => self.constant.clone(),
            Flaw::Duplicate => self.duplicate.clone(),
            Flaw::Outlier => self.outliers.iter().map(|outlier| outlier.index).collect(),
            Flaw::Label => self.doubts.iter().map(|doubt| doubt.index).collect(),
        }
    }
}

/// Findings in a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// In the training images.
    pub train: Findings,
    /// In the test images, relative to statistics of the training images.
    pub test: Findings,
    /// Training images that are also test images; they are included in the duplicates.
    pub shared: Vec<usize>,
}

/// Checks training and test images. Deterministic.
///
/// # Errors
/// Returns an error unless the items are bytes with a class each.
pub fn check(data: &Dataset) -> Result<Check> {
    let no_test = data.train().range(0..0);
    let train_set = Labeled::of(data, data.train())?;
    let test_set = Labeled::of(data, data.test().unwrap_or(&no_test))?;
    let means = Means::of(&train_set);
    let everything: Vec<usize> = (0..train_set.len()).collect();
    let ((seen, unseen), (train, test)) = rayon::join(
        || rayon::join(|| Regression::fit(&train_set, &everything), || unseen_probabilities(&train_set)),
        || (alone(&train_set, &means), alone(&test_set, &means)),
    );
    let (train_images, test_images) = (train_set.images, test_set.images);
    let tested: HashMap<&[u8], usize> = (0..test_set.len()).map(|i| (test_images.image(i), i)).collect();
    let shared: Vec<usize> = (0..train_set.len()).filter(|&i| tested.contains_key(train_images.image(i))).collect();
    let both: BTreeSet<usize> = train.duplicate.iter().chain(&shared).copied().collect();
    let test_probabilities: Vec<_> =
        (0..test_set.len()).into_par_iter().map(|i| seen.probabilities(test_images.image(i))).collect();
    Ok(Check {
        train: Findings { duplicate: both.into_iter().collect(), doubts: doubts(&train_set, &unseen), ..train },
        test: Findings { doubts: doubts(&test_set, &test_probabilities), ..test },
        shared,
    })
}

/// Findings that need neither the quick model nor the other split.
fn alone(set: &Labeled<'_>, means: &Means) -> Findings {
    let mut found = Findings { classes: vec![0; set.classes], ..Findings::default() };
    let mut seen = HashMap::new();
    for (i, &label) in set.labels.iter().enumerate() {
        let image = set.images.image(i);
        found.classes[label] += 1;
        match image.first() {
            Some(&shade) if image.iter().any(|pixel| *pixel != shade) => {}
            None | Some(0) => found.blank.push(i),
            Some(_) => found.constant.push(i),
        }
        if seen.insert(image, i).is_some() {
            found.duplicate.push(i);
        }
    }
    let deviations: Vec<f64> = (0..set.len()).into_par_iter().map(|i| means.deviations(set, i)).collect();
    let far = deviations.into_iter().enumerate().filter(|(_, deviations)| *deviations >= FAR);
    found.outliers = far.map(|(index, deviations)| Outlier { index, deviations }).collect();
    found.outliers.sort_by(|a, b| b.deviations.total_cmp(&a.deviations));
    found
}

fn doubts(set: &Labeled<'_>, probabilities: &[Vec<f32>]) -> Vec<Doubt> {
    let doubt = |(index, of): (usize, &Vec<f32>)| {
        let guess = (1..set.classes).fold(0, |best, class| if of[class] > of[best] { class } else { best });
        Doubt { index, probability: of[set.labels[index]], guess }
    };
    let all = probabilities.iter().enumerate().map(doubt);
    let mut doubts: Vec<_> = all.filter(|doubt| doubt.probability < UNLIKELY).collect();
    doubts.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    doubts
}

/// The mean image of each class, and the distances of its images.
struct Means {
    images: Vec<Vec<f64>>,
    /// Mean and standard deviation of the distances in each class.
    distances: Vec<[f64; 2]>,
}

impl Means {
    fn of(set: &Labeled<'_>) -> Self {
        let mut images = vec![vec![0.0; set.images.size()]; set.classes];
        let mut counts = vec![0.0f64; set.classes];
        for (i, &label) in set.labels.iter().enumerate() {
            counts[label] += 1.0;
            let sums = images[label].iter_mut();
            sums.zip(set.images.image(i)).for_each(|(sum, &pixel)| *sum += f64::from(pixel));
        }
        for (image, count) in images.iter_mut().zip(&counts) {
            image.iter_mut().for_each(|sum| *sum /= f64::max(*count, 1.0));
        }
        let mut means = Self { images, distances: vec![[0.0; 2]; set.classes] };
        let each: Vec<f64> = (0..set.len()).into_par_iter().map(|i| means.distance(set, i)).collect();
        let mut moments = vec![[0.0; 2]; set.classes];
        for (distance, &label) in each.iter().zip(&set.labels) {
            moments[label][0] += distance / counts[label];
        }
        for (distance, &label) in each.iter().zip(&set.labels) {
            let [mean, variance] = &mut moments[label];
            *variance += (distance - *mean).powi(2) / counts[label];
        }
        means.distances = moments.into_iter().map(|[mean, variance]| [mean, f64::sqrt(variance)]).collect();
        means
    }

    /// Euclidean distance of an image from its class mean.
    fn distance(&self, set: &Labeled<'_>, i: usize) -> f64 {
        let squares = self.images[set.labels[i]].iter().zip(set.images.image(i));
        squares.map(|(mean, &pixel)| (f64::from(pixel) - mean).powi(2)).sum::<f64>().sqrt()
    }

    /// Standard deviations by which that distance exceeds its mean; 0 if all distances in the class are equal.
    fn deviations(&self, set: &Labeled<'_>, i: usize) -> f64 {
        let [mean, deviation] = self.distances[set.labels[i]];
        if deviation > 0.0 { (self.distance(set, i) - mean) / deviation } else { 0.0 }
    }
}
