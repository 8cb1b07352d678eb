//! Parts of a split, drawn at random so that each class keeps its share.

use super::{Split, by_class};
use crate::error::{Error, Kind};
use crate::random::Random;
use std::fmt;
use std::str::FromStr;

/// How many of some images: a share of them, or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Above 0 and below 1.
    Share(f64),
    /// 1 or more.
    Count(usize),
}

impl Amount {
    /// The number that this means among `total` images; a share is rounded to the nearest.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Share(share) => (share * total as f64).round() as usize,
            Self::Count(count) => count,
        }
    }
}

impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let share = || text.parse().ok().filter(|share| 0.0 < *share && *share < 1.0).map(Self::Share);
        let count = text.parse().ok().filter(|count| *count > 0).map(Self::Count);
        count.or_else(share).ok_or_else(|| {
            let cause = format!("`{text}` is neither a share such as 0.1 nor a count such as 5000");
            Error::new(Kind::Usage, cause, "give a share above 0 and below 1, or a whole number of images")
        })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => share.fmt(f),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl Split {
    /// The images at these indices, in this order; panics where one is not below [`Split::len`], as a slice does.
    pub fn select(&self, indices: &[usize]) -> Split {
        let mut images = Vec::with_capacity(indices.len() * self.features());
        indices.iter().for_each(|&i| images.extend_from_slice(self.image(i)));
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Split { images, labels, ..*self }
    }

    /// Draws `count` of the images, or all where there are no more, and gives them and the rest, both in the order in
    /// which they were. Of each class as many are drawn as its share of the images says, to within one.
    pub fn divide(&self, count: usize, random: &mut Random) -> (Split, Split) {
        let mut classes = by_class(self, self.len());
        let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
        let mut drawn = vec![false; self.len()];
        for (members, quota) in classes.iter_mut().zip(quotas(&sizes, count)) {
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

/// `count` shared out over classes of these sizes by the method of largest remainders (Hamilton's): each gets its exact
/// share rounded down, and the classes that lose most by that get one more, the first ones where they lose the same.
fn quotas(sizes: &[usize], count: usize) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>();
    let count = count.min(total);
    let exact = |size: usize| size as u128 * count as u128;
    let divisor = total.max(1) as u128;
    let mut quotas: Vec<usize> = sizes.iter().map(|&size| (exact(size) / divisor) as usize).collect();
    let mut by_loss: Vec<usize> = (0..sizes.len()).collect();
    by_loss.sort_by_key(|&class| std::cmp::Reverse(exact(sizes[class]) % divisor));
    let missing = count - quotas.iter().sum::<usize>();
    by_loss[..missing].iter().for_each(|&class| quotas[class] += 1);
    quotas
}

#[cfg(test)]
mod tests {
    use super::super::CLASSES;
    use super::*;

    /// Image `i` shows its own index; class 3 is four times as frequent as the others, class 9 is missing.
    fn uneven() -> Split {
        let labels: Vec<u8> = (0..1200).map(|i| if i % 12 < 9 { (i % 12) as u8 } else { 3 }).collect();
        let images = (0..1200u16).flat_map(u16::to_le_bytes).collect();
        Split { rows: 1, columns: 2, images, labels }
    }

    fn numbers(split: &Split) -> Vec<u16> {
        (0..split.len()).map(|i| u16::from_le_bytes([split.image(i)[0], split.image(i)[1]])).collect()
    }

    fn random(seed: u64) -> Random {
        Random::new(seed, 0)
    }

    #[test]
    fn both_parts_are_all_images_once_in_order_with_their_labels() {
        let all = uneven();
        let (drawn, rest) = all.divide(300, &mut random(1));
        assert_eq!((drawn.len(), rest.len()), (300, 900));
        for part in [&drawn, &rest] {
            let numbers = numbers(part);
            assert!(numbers.is_sorted());
            assert!(numbers.iter().zip(&part.labels).all(|(&i, label)| all.labels[usize::from(i)] == *label));
        }
        let mut both = [numbers(&drawn), numbers(&rest)].concat();
        both.sort_unstable();
        assert_eq!(both, (0..1200).collect::<Vec<_>>());
    }

    #[test]
    fn classes_keep_their_shares_to_within_one() {
        let all = uneven();
        let count = |split: &Split, class| split.labels.iter().filter(|&&label| label == class).count();
        for wanted in [1, 7, 120, 599, 1199, 1200] {
            let (drawn, _) = all.divide(wanted, &mut random(2));
            assert_eq!(drawn.len(), wanted);
            for class in 0..CLASSES as u8 {
                let exact = count(&all, class) as f64 * wanted as f64 / 1200.0;
                assert!((count(&drawn, class) as f64 - exact).abs() < 1.0, "{wanted}, class {class}");
            }
        }
        assert_eq!(quotas(&[5, 5, 5], 5), [2, 2, 1]);
        assert_eq!(quotas(&[3, 0, 1], 9), [3, 0, 1]);
        assert_eq!(quotas(&[0, 0], 3), [0, 0]);
    }

    #[test]
    fn a_seed_draws_the_same_images_and_another_seed_others_from_everywhere() {
        let draw = |seed| numbers(&uneven().divide(120, &mut random(seed)).0);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        // The mean place of 120 of 1200 images, within five standard errors.
        let mean = draw(3).iter().map(|&i| f64::from(i)).sum::<f64>() / 120.0;
        assert!((mean - 599.5).abs() < 5.0 * 346.4 / 120f64.sqrt(), "{mean}");
    }

    #[test]
    fn amounts_are_shares_or_counts() {
        assert_eq!("0.1".parse(), Ok(Amount::Share(0.1)));
        assert_eq!("5000".parse(), Ok(Amount::Count(5000)));
        assert_eq!((Amount::Share(0.25).of(10), Amount::Count(7).of(10)), (3, 7));
        for text in ["0", "1.0", "1.5", "-3", "-0.1", "nan", "", "10%"] {
            let error = text.parse::<Amount>().expect_err("no amount");
            assert!(error.kind() == Kind::Usage && error.cause().contains(text), "{text}: {error}");
        }
    }
}
