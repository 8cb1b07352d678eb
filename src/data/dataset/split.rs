//! A part of a data set: inputs with their targets.

use super::{Field, FieldValues, Task};
use crate::error::{Error, Kind, Result};
use crate::random::Random;
use std::ops::Range;

/// Items with targets: the training, validation or test part of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    inputs: Vec<Field>,
    targets: Field,
    weights: Option<Vec<f32>>,
}

impl Split {
    /// Inputs and targets of the same items.
    ///
    /// # Errors
    /// Returns an error if there are no inputs, or an input has more or fewer items than the targets.
    pub fn new(inputs: Vec<Field>, targets: Field) -> Result<Self> {
        let cause = match inputs.iter().find(|input| input.len() != targets.len()) {
            None if !inputs.is_empty() => return Ok(Self { inputs, targets, weights: None }),
            None => "expected at least one input, found none".to_owned(),
            Some(input) => format!(
                "expected {} items of `{}`, as many as of `{}`, found {}",
                targets.len(),
                input.name(),
                targets.name(),
                input.len()
            ),
        };
        Err(Error::new(Kind::Data, cause, "use inputs and targets of the same items"))
    }

    /// Images of `[rows, columns]` bytes, row-major, with a class index each.
    ///
    /// # Errors
    /// Returns an error if the pixels are not one image per label.
    pub fn of_images([rows, columns]: [usize; 2], pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self> {
        let images = Field::new("images", [rows, columns], FieldValues::U8(pixels))?;
        Self::new(vec![images], Field::new("labels", [], FieldValues::U8(labels))?)
    }

    /// The same items with a weight each.
    ///
    /// # Errors
    /// Returns an error unless there is one finite weight of 0 or more per item.
    pub fn with_weights(self, weights: Vec<f32>) -> Result<Self> {
        let cause = if weights.len() != self.len() {
            format!("expected {} weights, one per item, found {}", self.len(), weights.len())
        } else if let Some(i) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            format!("expected finite weights of 0 or more, found {} for item {i}", weights[i])
        } else {
            return Ok(Self { weights: Some(weights), ..self });
        };
        Err(Error::new(Kind::Data, cause, "use a weight per item, such as 1"))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The model's inputs: one field or more.
    pub fn inputs(&self) -> &[Field] {
        &self.inputs
    }

    /// The model's targets.
    pub fn targets(&self) -> &Field {
        &self.targets
    }

    /// The weight of each item; all equal if `None`.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Total elements of an item's inputs.
    pub fn features(&self) -> usize {
        self.inputs.iter().map(Field::features).sum()
    }

    /// Number of items in each of `classes` classes; others are not counted.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        let classes = (0..self.len()).filter_map(|i| self.targets.class(i));
        classes.for_each(|class| counts.get_mut(class).into_iter().for_each(|count| *count += 1));
        counts
    }

    /// The items at these indices, in this order; panics if one is out of range, as indexing does.
    pub fn select(&self, indices: &[usize]) -> Self {
        let weights = self.weights.as_ref().map(|weights| indices.iter().map(|&i| weights[i]).collect());
        let inputs = self.inputs.iter().map(|input| input.select(indices)).collect();
        Self { inputs, targets: self.targets.select(indices), weights }
    }

    /// The items of a range; panics if it is out of range, as slicing does.
    pub fn range(&self, range: Range<usize>) -> Self {
        let weights = self.weights.as_ref().map(|weights| weights[range.clone()].to_vec());
        let inputs = self.inputs.iter().map(|input| input.range(range.clone())).collect();
        Self { inputs, targets: self.targets.range(range), weights }
    }

    /// Draws `count` of the items, or all if there are fewer, and returns them and the rest, both in their original
    /// order. In classification, class proportions are preserved to within one item.
    pub fn divide(&self, count: usize, task: &Task, random: &mut Random) -> (Self, Self) {
        let mut strata = task.strata(&self.targets);
        let sizes: Vec<usize> = strata.iter().map(Vec::len).collect();
        let mut drawn = vec![false; self.len()];
        for (members, quota) in strata.iter_mut().zip(quotas(&sizes, count)) {
            // The first steps of a random permutation: Durstenfeld, "Algorithm 235", CACM 7(7), 1964.
            for i in 0..quota {
                let other = i + random.below((members.len() - i) as u32) as usize;
                members.swap(i, other);
                drawn[members[i]] = true;
            }
        }
        let (taken, rest): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&i| drawn[i]);
        (self.select(&taken), self.select(&rest))
    }
}

/// Distributes `count` over groups of these sizes by the largest remainder method (Hamilton's): each gets its exact
/// share rounded down, and those with the largest remainders get one more, ties going to the first.
fn quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>();
    let count = count.min(total);
    let exact = |size: usize| size as u128 * count as u128;
    let divisor = total.max(1) as u128;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| (exact(size) / divisor) as usize).collect();
    let mut by_loss: Vec<usize> = (0..sizes.len()).collect();
    by_loss.sort_by_key(|&group| std::cmp::Reverse(exact(sizes[group]) % divisor));
    let missing = count - quotas.iter().sum::<usize>();
    by_loss[..missing].iter().for_each(|&group| quotas[group] += 1);
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Image `i` encodes its own index; class 3 is four times as frequent as the others, class 9 is missing.
    fn uneven() -> Split {
        let labels: Vec<u8> = (0..1200).map(|i| if i % 12 < 9 { (i % 12) as u8 } else { 3 }).collect();
        let images = (0..1200u16).flat_map(u16::to_le_bytes).collect();
        Split::of_images([1, 2], images, labels).expect("an image per label")
    }

    fn numbers(split: &Split) -> Vec<u16> {
        let bytes = split.inputs()[0].bytes().expect("images are bytes");
        bytes.chunks_exact(2).map(|image| u16::from_le_bytes([image[0], image[1]])).collect()
    }

    fn random(seed: u64) -> Random {
        Random::new(seed, 0)
    }

    #[test]
    fn both_parts_are_all_images_once_in_order_with_their_labels() {
        let weights: Vec<f32> = (0..1200u16).map(f32::from).collect();
        let all = uneven().with_weights(weights).expect("a weight per image");
        let (drawn, rest) = all.divide(300, &Task::classify(10), &mut random(1));
        assert_eq!((drawn.len(), rest.len()), (300, 900));
        for part in [&drawn, &rest] {
            let numbers = numbers(part);
            assert!(numbers.is_sorted());
            let class = |(i, &of): (usize, &u16)| part.targets().class(i) == all.targets().class(of.into());
            assert!(numbers.iter().enumerate().all(class));
            let weights = part.weights().expect("they are kept");
            assert!(numbers.iter().zip(weights).all(|(&i, &weight)| weight == f32::from(i)));
        }
        let mut both = [numbers(&drawn), numbers(&rest)].concat();
        both.sort_unstable();
        assert_eq!(both, (0..1200).collect::<Vec<_>>());
    }

    #[test]
    fn classes_keep_their_shares_to_within_one() {
        let all = uneven();
        let counts = all.class_counts(10);
        assert_eq!((counts[3], counts[9], counts[0]), (400, 0, 100));
        for wanted in [1, 7, 120, 599, 1199, 1200] {
            let (drawn, _) = all.divide(wanted, &Task::classify(10), &mut random(2));
            assert_eq!(drawn.len(), wanted);
            for (class, (count, drawn)) in counts.iter().zip(drawn.class_counts(10)).enumerate() {
                let exact = *count as f64 * wanted as f64 / 1200.0;
                assert!((drawn as f64 - exact).abs() < 1.0, "{wanted}, class {class}");
            }
        }
        assert_eq!(quotas(&[5, 5, 5], 5), [2, 2, 1]);
        assert_eq!(quotas(&[3, 0, 1], 9), [3, 0, 1]);
        assert_eq!(quotas(&[0, 0], 3), [0, 0]);
    }

    #[test]
    fn a_seed_draws_the_same_items_and_another_seed_others_from_everywhere() {
        let targets = Field::new("y", [], FieldValues::F32(vec![0.5; 1200])).expect("whole items");
        let numbers_alone = Split::new(uneven().inputs().to_vec(), targets).expect("as many");
        let regress = Task::Regress { outputs: vec!["y".to_owned()] };
        for (split, task) in [(uneven(), Task::classify(10)), (numbers_alone, regress)] {
            let draw = |seed| numbers(&split.divide(120, &task, &mut random(seed)).0);
            assert_eq!(draw(3), draw(3));
            assert_ne!(draw(3), draw(4));
            // The mean index of 120 of 1200 images, within five standard errors.
            let mean = draw(3).iter().map(|&i| f64::from(i)).sum::<f64>() / 120.0;
            assert!((mean - 599.5).abs() < 5.0 * 346.4 / 120f64.sqrt(), "{mean}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let field = |count: usize| Field::new("x", [2], FieldValues::U8(vec![0; 2 * count])).expect("whole items");
        let targets = || Field::new("y", [], FieldValues::U32(vec![70_000, 1])).expect("whole items");
        let refused = |split: Result<Split>, words: &str| {
            let error = split.expect_err("refused");
            assert!(error.kind() == Kind::Data && error.cause().contains(words), "{error}");
        };
        refused(Split::new(vec![], targets()), "at least one input");
        refused(Split::new(vec![field(2), field(3)], targets()), "2 items of `x`, as many as of `y`, found 3");
        let two = Split::new(vec![field(2), field(2)], targets()).expect("as many");
        assert_eq!((two.len(), two.features(), two.targets().class(0)), (2, 4, Some(70_000)));
        refused(two.clone().with_weights(vec![1.0]), "expected 2 weights");
        refused(two.with_weights(vec![1.0, f32::NAN]), "found NaN for item 1");
    }
}
