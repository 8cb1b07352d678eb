//! The task a model learns from a data set.

use super::{Field, FieldValues};
use crate::error::{Error, Kind, Result};

/// The task: the meaning of targets, and the names of a model's outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Targets are class indices, one per item.
    Classify {
        /// The name of each class.
        classes: Vec<String>,
    },
    /// Targets are bytes `[labels]`, 1 for labels that apply to the item and 0 for others.
    Tag {
        /// The name of each label.
        labels: Vec<String>,
    },
    /// Targets are floats `[outputs]`.
    Regress {
        /// The name of each output.
        outputs: Vec<String>,
    },
}

impl Task {
    /// Classification into `count` classes named by number, from 0.
    pub fn classify(count: usize) -> Self {
        Self::Classify { classes: (0..count).map(|class| class.to_string()).collect() }
    }

    /// The names of a model's outputs.
    pub fn outputs(&self) -> &[String] {
        match self {
            Self::Classify { classes } => classes,
            Self::Tag { labels } => labels,
            Self::Regress { outputs } => outputs,
        }
    }

    /// Whether targets are class indices.
    pub fn is_classification(&self) -> bool {
        matches!(self, Self::Classify { .. })
    }

    /// Groups of items whose proportions are preserved when a set is divided: the classes, or a single group of all
    /// items.
    pub(in crate::data) fn strata(&self, targets: &Field) -> Vec<Vec<usize>> {
        let Self::Classify { classes } = self else { return vec![(0..targets.len()).collect()] };
        let mut strata = vec![Vec::new(); classes.len()];
        (0..targets.len()).for_each(|i| strata[targets.class(i).expect("checked with the data set")].push(i));
        strata
    }

    /// Checks that the targets of part `part` fit the task.
    ///
    /// # Errors
    /// Names the first target that does not, expected and found.
    pub(super) fn check(&self, part: &str, targets: &Field) -> Result<()> {
        let count = self.outputs().len();
        let (expected, wrong) = match (self, targets.values()) {
            (Self::Classify { .. }, values) => {
                let expected = format!("one class index below {count} per item");
                if !targets.item().extents().is_empty() || matches!(values, FieldValues::F32(_)) {
                    return Err(mismatch(part, &expected, &targets.describe()));
                }
                let wrong = (0..targets.len()).find(|&i| targets.class(i).is_none_or(|class| class >= count));
                (expected, wrong.map(|i| (i, targets.class(i).unwrap_or_default().to_string())))
            }
            (Self::Tag { .. }, FieldValues::U8(flags)) if targets.features() == count => {
                let wrong = flags.iter().position(|&flag| flag > 1);
                ("a 0 or 1 per label".to_owned(), wrong.map(|i| (i / count, flags[i].to_string())))
            }
            (Self::Regress { .. }, FieldValues::F32(numbers)) if targets.features() == count => {
                let wrong = numbers.iter().position(|number| !number.is_finite());
                ("finite numbers".to_owned(), wrong.map(|i| (i / count, numbers[i].to_string())))
            }
            (Self::Tag { .. }, _) => return Err(mismatch(part, &format!("[{count}] u8"), &targets.describe())),
            (Self::Regress { .. }, _) => return Err(mismatch(part, &format!("[{count}] f32"), &targets.describe())),
        };
        match wrong {
            None => Ok(()),
            Some((item, found)) => Err(mismatch(part, &expected, &format!("{found} for item {item}"))),
        }
    }
}

fn mismatch(part: &str, expected: &str, found: &str) -> Error {
    let cause = format!("the {part} targets: expected {expected}, found {found}");
    Error::new(Kind::Data, cause, "use targets that fit the task")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    fn names(count: usize) -> Vec<String> {
        vec!["name".to_owned(); count]
    }

    #[test]
    fn targets_that_do_not_fit_the_task_are_named() {
        let (tag, regress) = (Task::Tag { labels: names(2) }, Task::Regress { outputs: names(2) });
        for (task, item, values, words) in [
            (
                Task::classify(300),
                vec![],
                FieldValues::U16(vec![299, 0, 300]),
                "below 300 per item, found 300 for item 2",
            ),
            (Task::classify(3), vec![], FieldValues::U8(vec![3]), "found 3 for item 0"),
            (Task::classify(3), vec![1], FieldValues::U8(vec![0]), "found [1] u8"),
            (Task::classify(3), vec![], FieldValues::F32(vec![0.0]), "found [] f32"),
            (tag.clone(), vec![2], FieldValues::U8(vec![0, 1, 0, 2]), "a 0 or 1 per label, found 2 for item 1"),
            (tag.clone(), vec![3], FieldValues::U8(vec![0; 3]), "expected [2] u8, found [3] u8"),
            (regress.clone(), vec![2], FieldValues::F32(vec![0.0, f32::NAN]), "finite numbers, found NaN for item 0"),
            (regress.clone(), vec![2], FieldValues::U32(vec![0, 1]), "expected [2] f32, found [2] u32"),
        ] {
            let error =
                task.check("test", &Field::new("y", Shape::new(item), values).expect("whole items")).expect_err(words);
            assert!(error.cause().starts_with("the test targets: ") && error.cause().contains(words), "{error}");
        }
        for (task, item, values) in [
            (Task::classify(70_001), vec![], FieldValues::U32(vec![70_000])),
            (tag, vec![2], FieldValues::U8(vec![1, 1])),
            (regress, vec![2], FieldValues::F32(vec![-1.5, 0.0])),
        ] {
            task.check("test", &Field::new("y", Shape::new(item), values).expect("whole items")).expect("they fit");
        }
    }
}
